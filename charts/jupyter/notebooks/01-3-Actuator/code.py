# %% listen
import math
import time

import checks
import lab
import matplotlib.pyplot as plt

servo = lab.topic("actors", "servo2")
heard = []
flap = lab.mqtt(lambda _, payload: heard.append((time.monotonic(), float(payload))), servo)


# %% position [exercise]
def position(temperature):
    return 0.0  # change this


# %% position-check [check]
checks.servo(position)

# %% drive
temperatures = [27 - 10 * math.cos(2 * math.pi * step / 40) for step in range(41)]
steering = lab.mqtt()
orders = []
for temperature in temperatures:
    order = round(position(temperature), 3)
    orders.append((time.monotonic(), temperature, order))
    steering.publish(servo, str(order), qos=1, retain=False).wait_for_publish(5)
    time.sleep(0.05)
lab.wait(lambda: len(heard) >= len(orders), 10)
for client in (flap, steering):
    client.disconnect()
print(len(heard), "of", len(orders), "orders were heard")

# %% plot
start = orders[0][0]
figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(8, 5))
above.plot([moment - start for moment, _, _ in orders], temperatures)
above.set(ylabel="°C", title="Temperature and what the flap was told")
below.step([moment - start for moment, _ in heard], [told for _, told in heard], where="post")
below.set(xlabel="seconds", ylabel="position", ylim=(-0.1, 1.1))
lab.save(figure, "actuator-flap")
