"""What cars, fans and boards once measured, from a CSV of the contract, sent as if they measured it now."""
