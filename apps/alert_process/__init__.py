"""An alert of a board becomes a process in Camunda, with what led to it.

The promise: no alert is lost and none starts a second process. An incident is a device, a kind of alert and a window of time,
told from when the alert arrived at the bridge, so whatever is delivered twice names the same one; before a process is
started, Camunda is asked for one of that name, running or finished. Offsets are committed afterwards and wait, however long
Camunda is away. What Camunda refuses for good, and what cannot be read, goes to the dead-letter topic with its reason.
"""
