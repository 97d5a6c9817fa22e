# %% filter
readings_of_all_boards = "iotkit/+/sensor"


# %% read
def read(payload):
    _, temperature, humidity, state = payload.decode().rstrip("\0").split(",")
    return float(temperature), float(humidity), state
