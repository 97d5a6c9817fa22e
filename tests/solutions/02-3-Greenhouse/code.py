# %% fill
def filled(values):
    found, last, since = [], None, 0
    for value in values:
        since = 0 if value is not None else since + 1
        last = value if value is not None else last
        found.append(last if since <= 2 else None)
    return found
