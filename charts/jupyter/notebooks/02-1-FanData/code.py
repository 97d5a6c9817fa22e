# %% make
import checks
import lab
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

ROWS = 20_000
chance = np.random.default_rng(4)
RANGES = {
    "Rotation": ((500, 700), (400, 650)),
    "Temperature": ((35, 45), (35, 55)),
    "Vibration": ((100, 200), (100, 250)),
    "Sound": ((45, 52), (45, 60)),
}
faulty = np.arange(ROWS) % 2
fans = pd.DataFrame(
    {name: np.where(faulty, chance.uniform(*bad, ROWS), chance.uniform(*good, ROWS)) for name, (good, bad) in RANGES.items()}
).round(1)
fans["Faulty"] = faulty
fans.describe().round(1)

# %% look
figure, four = plt.subplots(2, 2, figsize=(9, 6))
for axes, name in zip(four.flat, RANGES, strict=True):
    for kind, label in ((0, "healthy"), (1, "faulty")):
        axes.hist(fans.loc[fans["Faulty"] == kind, name], bins=40, alpha=0.6, label=label)
    axes.set(title=name)
four[0, 0].legend()
figure.tight_layout()
lab.save(figure, "fans-values")

# %% split
values, truth = fans[list(RANGES)].to_numpy(), fans["Faulty"].to_numpy()
mean, spread = values.mean(axis=0), values.std(axis=0)
learn_x, held_x, learn_y, held_y = train_test_split((values - mean) / spread, truth, test_size=1 / 3, random_state=1)
print(len(learn_x), "to learn from,", len(held_x), "held out")

# %% network
import tensorflow as tf

tf.keras.utils.set_random_seed(1)
network = tf.keras.Sequential(
    [
        tf.keras.layers.Input((4,)),
        *[tf.keras.layers.Dense(width, activation="relu") for width in (60, 30, 10)],
        tf.keras.layers.Dense(1, activation="sigmoid"),
    ]
)
network.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
learned = network.fit(learn_x, learn_y, validation_data=(held_x, held_y), epochs=8, batch_size=64, verbose=0)
probability = network.predict(held_x, verbose=0)[:, 0]
print("accuracy on rows that it has not seen:", round(float(np.mean((probability > 0.5) == held_y)), 3))

# %% threshold
lines = np.linspace(0.02, 1.0, 50)
accuracy = [np.mean((probability >= line) == held_y) for line in lines]
figure, axes = plt.subplots(figsize=(8, 4))
axes.plot(lines, accuracy)
axes.set(xlabel="called faulty from this probability on", ylabel="accuracy", title="Where to draw the line")
lab.save(figure, "fans-threshold")
print("as the old program did:", round(float(np.mean(probability.astype(int) == held_y)), 3))


# %% limits [exercise]
def is_faulty(rotation, temperature, vibration, sound):
    return False  # change this


# %% limits-check [check]
checks.fans(is_faulty)

# %% compare
raw = held_x * spread + mean
by_limits = np.array([is_faulty(*row) for row in raw.round(1)])
print("network:", round(float(np.mean((probability > 0.5) == held_y)), 3))
print("limits: ", round(float(np.mean(by_limits == held_y)), 3))
