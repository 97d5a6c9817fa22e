# %% count
def readings_by_device(keys):
    counts = {}
    for key in keys:
        _, *device, kind = key.split("/")
        if kind == "sensor":
            name = "".join(device)
            counts[name] = counts.get(name, 0) + 1
    return counts
