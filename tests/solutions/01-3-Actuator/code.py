# %% position
def position(temperature):
    return min(1.0, max(0.0, (temperature - 20) / 14))
