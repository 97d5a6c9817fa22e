# %% connect
import time

import checks
import lab
import matplotlib.pyplot as plt

heard = []
listener = lab.mqtt(lambda topic, payload: heard.append((topic, payload)), lab.topic("#"))
time.sleep(10)
listener.disconnect()
print(len(heard), "messages")

# %% sample
for topic, payload in heard[:5]:
    print(topic, payload)

# %% play
sent, received = {}, {}
knob = lab.topic("notebook", "encoder")
hearing = lab.mqtt(lambda _, payload: received.setdefault(int(payload), time.monotonic()), knob)
playing = lab.mqtt()
start = time.monotonic()
for count in range(40):
    sent[count] = time.monotonic()
    playing.publish(knob, str(count), qos=1).wait_for_publish(5)
    time.sleep(0.05)
lab.wait(lambda: len(received) == len(sent), 10)
for client in (hearing, playing):
    client.disconnect()
print(len(received), "of", len(sent), "came back")

# %% plot
figure, axes = plt.subplots(figsize=(8, 4))
axes.plot([sent[count] - start for count in sent], list(sent), ".", label="published")
axes.plot([received[count] - start for count in received], list(received), "-", label="received")
axes.set(xlabel="seconds", ylabel="count", title="An encoder, published and heard")
axes.legend()
lab.save(figure, "mqtt-encoder")

# %% tls
secretly = []
hearing = lab.mqtt(lambda _, payload: secretly.append(payload), knob, tls=True)
playing = lab.mqtt()
playing.publish(knob, "41", qos=1).wait_for_publish(5)
lab.wait(lambda: secretly, 10)
print(hearing.socket().version(), hearing.socket().cipher()[0], secretly)
for client in (hearing, playing):
    client.disconnect()

# %% filter [exercise]
readings_of_all_boards = "iotkit/#"  # change this

# %% filter-check [check]
checks.topic_filter(readings_of_all_boards)


# %% read [exercise]
def read(payload):
    return None  # change this: temperature, humidity, class


# %% read-check [check]
checks.payload(read)

# %% end
