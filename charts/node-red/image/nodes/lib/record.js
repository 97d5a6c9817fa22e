'use strict'
// A message of a flow as a Kafka record: the same one that the bridge makes of the same MQTT message.

const zlib = require('node:zlib')

const LEVELS_WITH_DEVICE = 3 // <root>/<device>/<kind>

// What a node sends is noted by the hook of origin.js: `msg.mqtt` survives any change of `msg.topic`.
function headersOf (mqtt, edge) {
  const levels = mqtt.topic.split('/')
  const device = levels.length === LEVELS_WITH_DEVICE ? levels[1] : edge
  return { topic: mqtt.topic, device, edge, arrival: String(mqtt.arrival) }
}

function bytesOf (payload) {
  if (Buffer.isBuffer(payload)) return payload
  if (payload === undefined || payload === null) return Buffer.alloc(0)
  return Buffer.from(typeof payload === 'object' ? JSON.stringify(payload) : String(payload))
}

// `topic` is the node's, and empty where the message says it; a key that is set goes before the MQTT topic.
function recordOf (msg, { topic, key, edge }) {
  const mqtt = msg.mqtt && typeof msg.mqtt.topic === 'string' ? msg.mqtt : null
  const wanted = topic || msg.topic
  if (typeof wanted !== 'string' || !/^[A-Za-z0-9._-]{1,249}$/.test(wanted)) {
    throw new Error(`'${wanted ?? ''}' is no Kafka topic: set it in the node, or as msg.topic before it`)
  }
  const chosen = msg.key ?? (key || mqtt?.topic) ?? null
  return {
    topic: wanted,
    key: chosen === null || chosen === '' ? null : bytesOf(chosen).toString('base64'),
    value: bytesOf(msg.payload).toString('base64'),
    headers: mqtt ? headersOf(mqtt, edge) : {}
  }
}

// The partition that the bridge's client (librdkafka, consistent_random) gives the same key: order survives a change of carrier.
function partitionOf (key, count) {
  return key === null || key.length === 0 ? Math.floor(Math.random() * count) : zlib.crc32(key) % count
}

module.exports = { recordOf, partitionOf }
