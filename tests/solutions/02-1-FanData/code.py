# %% limits
def is_faulty(rotation, temperature, vibration, sound):
    return rotation < 500 or temperature > 45 or vibration > 200 or sound > 52
