"""The lab command on a stack that makes machines: it makes them, asks them through the gate, and ends them."""
