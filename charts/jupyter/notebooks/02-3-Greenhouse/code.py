# %% make
import checks
import lab
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

chance = np.random.default_rng(7)
times = pd.date_range("2026-06-01", periods=96, freq="30min", tz="UTC")
SILENT = range(40, 50)
documents = []
for number, dev_id in enumerate(("pot-basil", "pot-chilli", "pot-tomato")):
    moisture = 80.0 - 5 * number
    for step, time in enumerate(times):
        moisture = 85.0 if moisture < 35 else moisture - chance.uniform(0.4, 1.4)
        if step % 12 == 5 + number or (dev_id == "pot-chilli" and step in SILENT):
            continue
        fields = {"analog_in_4": round(moisture, 1), "relative_humidity_3": round(chance.uniform(40, 70), 1)}
        if dev_id != "pot-tomato":
            fields["temperature_2"] = round(float(22 + 6 * np.sin(step / 96 * 4 * np.pi) + chance.normal(0, 0.3)), 1)
        documents.append({"dev_id": dev_id, "time": time.isoformat(), "payload_fields": fields})
print(len(documents), "documents; the first:", documents[0])

# %% table
rows = [{"dev_id": one["dev_id"], "time": one["time"], **one["payload_fields"]} for one in documents]
readings = pd.DataFrame(rows).rename(columns={"analog_in_4": "moisture", "temperature_2": "temperature"})
readings["time"] = pd.to_datetime(readings["time"])
readings.isna().sum()

# %% plot
moisture = readings.pivot_table(index="time", columns="dev_id", values="moisture").reindex(times)
figure, axes = plt.subplots(figsize=(9, 4))
moisture.plot(ax=axes, style=".-")
axes.set(xlabel="", ylabel="moisture, %", title="Moisture over time by sensor; gaps are lost messages")
lab.save(figure, "greenhouse-moisture")

# %% mean
readings.groupby("dev_id")[["moisture", "temperature"]].mean().round(1)


# %% fill [exercise]
def filled(values):
    return values  # change this


# %% fill-check [check]
checks.gaps(filled)

# %% filled
before = [None if np.isnan(value) else float(value) for value in moisture["pot-chilli"]]
after = filled(before)
figure, axes = plt.subplots(figsize=(9, 4))
axes.plot(times, [np.nan if value is None else value for value in after], "-", color="orange", label="filled")
axes.plot(times, [np.nan if value is None else value for value in before], ".", label="measured")
axes.set(ylabel="moisture, %", title="Short gaps filled, the long silence stays")
axes.legend()
lab.save(figure, "greenhouse-filled")
