'use strict'
// Node-RED's file of credentials, encrypted with the lab's key: AES-256-CTR, the key hashed with SHA-256, the first 16 bytes
// of the text in hexadecimal the initial vector, as Node-RED reads it.

const crypto = require('node:crypto')
const fs = require('node:fs')

const VECTOR_BYTES = 16

class Credentials {
  constructor (file, key, say) {
    this.file = file
    this.key = crypto.createHash('sha256').update(key).digest()
    this.found = this.#load(say)
  }

  #load (say) {
    if (!fs.existsSync(this.file)) return {}
    try {
      const { $: text } = JSON.parse(fs.readFileSync(this.file, 'utf8'))
      const cipher = crypto.createDecipheriv('aes-256-ctr', this.key, Buffer.from(text.slice(0, 2 * VECTOR_BYTES), 'hex'))
      return JSON.parse(cipher.update(text.slice(2 * VECTOR_BYTES), 'base64', 'utf8') + cipher.final('utf8'))
    } catch {
      const aside = `${this.file}.unreadable-${Date.now()}`
      fs.renameSync(this.file, aside)
      say(`${this.file} was written with another key; it is kept as ${aside}, and logins that people typed must be typed again`)
      return {}
    }
  }

  // Give each node that speaks to one of the lab's servers the login of the Secret; others keep what they have.
  set (nodes, logins, password) {
    for (const login of logins) {
      const value = { user: login.user, password: password(login) }
      for (const node of nodes) {
        const server = String(node[login.field] ?? '')
        if (node.type === login.type && (server === login.server || server.startsWith(`${login.server}/`))) {
          this.found[node.id] = { ...this.found[node.id], ...value }
        }
      }
    }
    const vector = crypto.randomBytes(VECTOR_BYTES)
    const cipher = crypto.createCipheriv('aes-256-ctr', this.key, vector)
    const text = vector.toString('hex') + cipher.update(JSON.stringify(this.found), 'utf8', 'base64') + cipher.final('base64')
    fs.writeFileSync(`${this.file}.new`, JSON.stringify({ $: text }), { mode: 0o600 })
    fs.renameSync(`${this.file}.new`, this.file)
  }
}

module.exports = { Credentials }
