"""The outbox of Node-RED's Kafka nodes: what it has confirmed is there after any end of the process, in order."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support.node_red import IMAGE, runtime

OPEN = f"""
const {{ Outbox, OutboxFull }} = require({json.dumps(str(IMAGE / "nodes/lib/outbox.js"))})
const [folder, ...words] = process.argv.slice(1)
const open = (mb = 1, segment = 1000) => new Outbox(folder, mb * 2 ** 20, segment)
const take = (box, count) => {{
  const got = []
  while (got.length < count) {{
    const batch = box.peek(count - got.length, 200)
    if (!batch) break
    got.push(...batch.messages.map(message => message.n))
    box.advance(batch.messages.length, batch.end)
  }}
  return got
}}
const say = value => console.log(JSON.stringify(value))
"""


def _run(folder: Path, script: str) -> Any:
    node, _ = runtime()
    done = subprocess.run([str(node), "-e", OPEN + script, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode in {0, -9}, done.stderr
    return json.loads(done.stdout)


def test_messages_leave_in_order_over_segments_and_restarts(tmp_path: Path) -> None:
    put = "const box = open(); for (let n = 0; n < 100; n++) box.append({ n, pad: 'x'.repeat(50) }); "
    assert _run(tmp_path, put + "say([take(box, 37), box.waiting])") == [list(range(37)), 63]
    assert len(list(tmp_path.glob("*.log"))) > 2
    assert _run(tmp_path, "const box = open(); say([box.waiting, take(box, 100), box.waiting, box.bytes])") == [
        63, list(range(37, 100)), 0, 0,
    ]  # fmt: skip
    assert len(list(tmp_path.glob("*.log"))) <= 2, "segments that are done go"
    assert _run(tmp_path, "const box = open(); box.append({ n: 100 }); say(take(box, 9))") == [100]


def test_what_was_taken_but_not_acknowledged_comes_again(tmp_path: Path) -> None:
    _run(
        tmp_path,
        "const box = open(); [0, 1, 2].forEach(n => box.append({ n })); box.peek(9, 200); say(0); process.kill(process.pid, 9)",
    )
    assert _run(tmp_path, "const box = open(); say(take(box, 9))") == [0, 1, 2]


def test_a_line_that_a_crash_cut_off_is_dropped_and_the_rest_is_whole(tmp_path: Path) -> None:
    _run(tmp_path, "const box = open(); for (let n = 0; n < 3; n++) box.append({ n }); say(0)")
    (segment,) = tmp_path.glob("*.log")
    with segment.open("a") as file:
        file.write('{"n": 3, "val')
    assert _run(tmp_path, "const box = open(); box.append({ n: 4 }); say([box.waiting, take(box, 9)])") == [4, [0, 1, 2, 4]]


def test_a_lost_position_repeats_and_loses_nothing(tmp_path: Path) -> None:
    _run(tmp_path, "const box = open(); for (let n = 0; n < 3; n++) box.append({ n }); take(box, 2); say(0)")
    (tmp_path / "position").unlink()
    assert _run(tmp_path, "const box = open(); say(take(box, 9))") == [0, 1, 2]


def test_a_message_larger_than_what_is_read_at_a_time_passes(tmp_path: Path) -> None:
    put = "const box = open(); box.append({ n: 0, pad: 'x'.repeat(300000) }); box.append({ n: 1 }); "
    assert _run(tmp_path, put + "say(take(box, 9))") == [0, 1]


def test_a_full_outbox_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    put = "const box = open(); let n = 0; try { for (;; n++) box.append({ n, pad: 'x'.repeat(10000) }) } catch (e) { "
    count, kind, text = _run(tmp_path, put + "say([n, e instanceof OutboxFull, e.message]) }")
    assert kind
    assert 90 < count < 105
    assert text == f"the outbox holds {count} messages, 1 MB, and takes no more until Kafka answers"
    assert _run(tmp_path, "const box = open(); say(take(box, 1000).length)") == count


KAFKA = """
export class Producer {
  async metadata () {
    await new Promise(resolve => setTimeout(resolve, 300))
    return { topics: new Map([['a', { partitionsCount: 1 }]]) }
  }
  async send () {}
  async close () {}
}
"""  # as much of the client as the courier asks; its answers take 0.3 s
CARRY = """
const { Outbox } = require('./lib/outbox.js')
const { Courier } = require('./lib/courier.js')
const outbox = new Outbox('box', 2 ** 20)
const courier = new Courier({ brokers: [], outbox, deadLetterTopic: '', onState () {}, onRefused () {} })
setTimeout(() => courier.put({ topic: 'a', key: null, value: '', headers: {} }), 150)
const began = Date.now()
const look = setInterval(() => {
  if (!courier.delivered) return
  clearInterval(look)
  console.log(Date.now() - began)
  courier.close().then(() => process.exit())
}, 10)
"""


def test_what_is_taken_while_the_courier_asks_for_kafka_is_carried_at_once(tmp_path: Path) -> None:
    client = tmp_path / "node_modules/@platformatic/kafka"
    client.mkdir(parents=True)
    (client / "package.json").write_text('{"type": "module", "exports": "./index.js"}')
    (client / "index.js").write_text(KAFKA)
    (tmp_path / "carry.js").write_text(CARRY)
    shutil.copytree(IMAGE / "nodes/lib", tmp_path / "lib")
    node, _ = runtime()
    done = subprocess.run([node, "carry.js"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True)
    assert int(done.stdout) < 3000, "it waited for its next look, 5 s later"
