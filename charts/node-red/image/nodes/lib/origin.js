'use strict'
// Where a message came from, and when: `msg.mqtt = {topic, arrival}` on whatever an `mqtt in` node sends. Old flows overwrite
// msg.topic with the Kafka topic before the producer; the record's key and headers need the one it was published under.
//
// And the acknowledgement comes after the outbox: MQTT.js acknowledges QoS 1 as soon as it has handed a message out, while
// Node-RED delivers it over each wire in a later turn of the event loop. A process killed in between would have acknowledged
// what it has nowhere. Waiting TURNS turns lets a message pass so many wires first; it costs microseconds. While flows stop,
// as at each deploy, nodes are gone and the connection is still there: what comes then is acknowledged only when they are back.
//
// And a deploy that changes an `mqtt in` leaves no gap: Node-RED unsubscribes and subscribes again in one breath, and Mosquitto
// keeps for nobody what arrives in between. The first waits a turn, and the second calls it off.

const { MqttClient } = require('mqtt')

const TURNS = 16

const AGAIN_MS = 20

let stopping = false
let stops = 0

function later (turns, done) {
  if (turns === 0) done()
  else setImmediate(later, turns - 1, done)
}

// Hold a message that came while nodes were closed: hand it out again when they are back, or leave it to the kept session,
// which sends it after the next connect, when the connection is ended as well.
function hold (client, packet, done) {
  if (client.disconnecting || !client.connected) done(new Error('the flows stop'))
  else if (stopping) setTimeout(hold, AGAIN_MS, client, packet, done)
  else {
    client.emit('message', packet.topic, packet.payload, packet)
    client.handleMessage(packet, done)
  }
}

function subscribeWithoutGap () {
  const { subscribe, unsubscribe } = MqttClient.prototype
  const leaving = new WeakMap() // client -> topic -> what will unsubscribe it
  MqttClient.prototype.unsubscribe = function (topic, ...more) {
    if (typeof topic !== 'string' || more.length) return unsubscribe.call(this, topic, ...more)
    if (!leaving.has(this)) leaving.set(this, new Map())
    leaving.get(this).set(topic, setImmediate(() => {
      leaving.get(this).delete(topic)
      if (this.connected && !this.disconnecting) unsubscribe.call(this, topic)
    }))
    return this
  }
  MqttClient.prototype.subscribe = function (topic, ...more) {
    clearImmediate(leaving.get(this)?.get(topic))
    return subscribe.call(this, topic, ...more)
  }
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
  subscribeWithoutGap()
  RED.events.on('flows:stopping', () => { stopping = true; stops++ })
  RED.events.on('flows:started', () => { stopping = false })
  MqttClient.prototype.handleMessage = function (packet, done) {
    if (packet.qos === 0) return done()
    const [met, before] = [stopping, stops] // a deploy may be over within the turns
    later(TURNS, () => met || stops !== before ? hold(this, packet, done) : done())
  }
}

module.exports = { install }
