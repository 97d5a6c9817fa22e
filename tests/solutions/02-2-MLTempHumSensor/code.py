# %% limits
def state_of(temperature):
    if temperature < 25:
        return "low"
    return "middle" if temperature < 29 else "high"
