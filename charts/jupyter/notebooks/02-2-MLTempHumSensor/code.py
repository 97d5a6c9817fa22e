# %% data
import checks
import lab
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

STATES = ["low", "middle", "high"]
LEAST_ROWS = 30
readings = pd.DataFrame(lab.data_rows(LEAST_ROWS), columns=["sensor", "temp", "hum", "class"])
readings = readings[readings["class"].isin(STATES)].astype({"temp": float, "hum": float})
readings["class"].value_counts()

# %% look
figure, axes = plt.subplots(figsize=(8, 4))
for state, some in readings.groupby("class"):
    axes.plot(some["temp"], some["hum"], ".", label=state)
axes.set(xlabel="temperature, °C", ylabel="humidity, %", title=f"{len(readings)} readings")
axes.legend()
lab.save(figure, "iotkit-readings")

# %% split
learn, held = train_test_split(readings, test_size=0.25, random_state=1)
print(len(learn), "to learn from,", len(held), "held out")


# %% baseline
def between(below, above):
    lower, upper = learn.loc[learn["class"] == below, "temp"], learn.loc[learn["class"] == above, "temp"]
    return float(lower.max() + upper.min()) / 2 if len(lower) and len(upper) else float("nan")


limits = (between("low", "middle"), between("middle", "high"))


def by_limits(temperatures):
    return np.select([temperatures < limits[0], temperatures > limits[1]], ["low", "high"], "middle")


baseline = [float(np.mean(by_limits(part["temp"]) == part["class"])) for part in (learn, held)]
print("limits:", [round(limit, 2) for limit in limits], "learned:", round(baseline[0], 3), "held out:", round(baseline[1], 3))


# %% neighbours
def scores(k, learn_y):
    model = KNeighborsClassifier(k).fit(learn[["temp", "hum"]].to_numpy(), learn_y)
    return model.score(learn[["temp", "hum"]].to_numpy(), learn_y), model.score(held[["temp", "hum"]].to_numpy(), held["class"])


most = min(25, len(learn) - 1)
ks = range(1, most + 1, 2)
clean = [scores(k, learn["class"].to_numpy()) for k in ks]
print("one neighbour: learned", round(clean[0][0], 3), "held out", round(clean[0][1], 3))

# %% scores
chance = np.random.default_rng(2)
wrong = learn["class"].to_numpy(dtype=object, copy=True)
swapped = chance.choice(len(wrong), len(wrong) // 10, replace=False)
wrong[swapped] = [STATES[(STATES.index(state) + 1) % len(STATES)] for state in wrong[swapped]]
noisy = [scores(k, wrong) for k in ks]
figure, axes = plt.subplots(figsize=(8, 4))
axes.plot(ks, [learned for learned, _ in noisy], "o-", label="on what it learned, a tenth of it wrong")
axes.plot(ks, [fresh for _, fresh in noisy], "s-", label="held out")
axes.axhline(baseline[1], color="grey", linestyle="--", label="two limits, held out")
axes.set(xlabel="neighbours", ylabel="score", title="Learned by heart is not understood")
axes.legend()
lab.save(figure, "iotkit-neighbours")
print("one neighbour, a tenth wrong: learned", round(noisy[0][0], 3), "held out", round(noisy[0][1], 3))


# %% limits [exercise]
def state_of(temperature):
    return "middle"  # change this


# %% limits-check [check]
checks.condition(state_of)

# %% compare
yours = np.array([state_of(temperature) for temperature in held["temp"]])
print("your limits:", round(float(np.mean(yours == held["class"])), 3))
print("from the data:", round(baseline[1], 3))
print("one neighbour:", round(clean[0][1], 3))
