'use strict'
// Where a message came from, and when: `msg.mqtt = {topic, arrival}` on whatever an `mqtt in` node sends. Old flows overwrite
// msg.topic with the Kafka topic before the producer; the record's key and headers need the one it was published under.
//
// And the acknowledgement comes after the outbox: MQTT.js acknowledges QoS 1 as soon as it has handed a message out, while
// Node-RED delivers it over each wire in a later turn of the event loop. A process killed in between would have acknowledged
// what it has nowhere. Waiting TURNS turns lets a message pass so many wires first; it costs microseconds.

const { MqttClient } = require('mqtt')

const TURNS = 16

function later (turns, done) {
  if (turns === 0) done()
  else setImmediate(later, turns - 1, done)
}

function install (RED) {
  RED.hooks.remove('*.iotlab')
  RED.hooks.add('onSend.iotlab', events => {
    for (const { source, msg } of events) {
      if (source.node?.type === 'mqtt in' && msg && msg.mqtt === undefined) {
        msg.mqtt = { topic: msg.topic, arrival: Date.now() }
      }
    }
  })
  MqttClient.prototype.handleMessage = function (packet, done) {
    if (packet.qos === 0) done()
    else later(TURNS, done)
  }
}

module.exports = { install }
