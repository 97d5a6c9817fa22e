# %% send
import time

import checks
import lab
import matplotlib.pyplot as plt

knob = lab.topic("notebook", "encoder")
board = lab.mqtt()
base = int(time.time()) % 1_000_000 * 100  # so that we know our own counts again
published = {}
for count in range(base, base + 60):
    published[count] = time.time()
    board.publish(knob, str(count), qos=1).wait_for_publish(5)
    time.sleep(0.02)
board.disconnect()


# %% read
def ours():
    return [record for record in lab.newest(500) if record.key() == knob.encode() and int(record.value()) in published]


lab.wait(lambda: len(ours()) >= len(published), 30)
records = ours()
print(len(records), "of", len(published), "counts are in Kafka")

# %% partitions
for record in records[:3]:
    print(record.partition(), record.offset(), record.key(), record.value())
print("partitions:", {record.partition() for record in records})
print("in order:", [int(record.value()) for record in records] == sorted(int(record.value()) for record in records))

# %% latency
on_the_way_ms = [max(0.0, record.timestamp()[1] - 1000 * published[int(record.value())]) for record in records]
figure, axes = plt.subplots(figsize=(8, 4))
axes.hist(on_the_way_ms, bins=20)
axes.set(xlabel="ms from publishing to Kafka", ylabel="records", title=f"{len(records)} records")
lab.save(figure, "kafka-latency")


# %% count [exercise]
def readings_by_device(keys):
    return {}  # change this


# %% count-check [check]
checks.counted(readings_by_device)
