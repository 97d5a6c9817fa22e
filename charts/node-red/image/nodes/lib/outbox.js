'use strict'
// A queue on disk: what a node has taken is written here before anything else happens, and leaves when Kafka has it.
//
// Segments 00000001.log, 00000002.log … hold a message a line; `position` says up to where Kafka has acknowledged.
// A killed process loses nothing that was written, for the page cache is the kernel's; a machine that loses power may lose
// the last second (SYNC_MS). A message that was acknowledged a moment before the kill may be sent again: at least once.

const fs = require('node:fs')
const path = require('node:path')

const SYNC_MS = 1000
const SEGMENT_BYTES = 4 << 20
const NEWLINE = 10

class OutboxFull extends Error {}

class Outbox {
  constructor (folder, maxBytes, segmentBytes = SEGMENT_BYTES) {
    this.folder = folder
    this.maxBytes = maxBytes
    this.segmentBytes = segmentBytes
    this.waiting = 0 // messages
    this.bytes = 0 // of those
    fs.mkdirSync(folder, { recursive: true })
    this.positionFile = fs.openSync(path.join(folder, 'position'), fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600)
    const said = fs.readFileSync(this.positionFile, 'utf8').trim().split(' ').map(Number)
    const found = this.#numbers()
    this.first = said.length === 2 && found.includes(said[0]) ? said[0] : found[0] ?? (said[0] || 0) + 1
    this.offset = this.first === said[0] && said.length === 2 ? said[1] : 0
    this.last = found.at(-1) ?? this.first
    for (const number of found.filter(number => number < this.first)) fs.unlinkSync(this.#file(number))
    this.#mend()
    for (let number = this.first; number <= this.last; number++) this.#count(number)
    this.writer = fs.openSync(this.#file(this.last), 'a', 0o600)
    this.size = fs.fstatSync(this.writer).size
    this.dirty = false
    this.syncing = setInterval(() => this.#syncLater(), SYNC_MS)
    this.syncing.unref()
  }

  #file (number) {
    return path.join(this.folder, `${String(number).padStart(8, '0')}.log`)
  }

  #numbers () {
    return fs.readdirSync(this.folder).filter(name => /^\d{8}\.log$/.test(name)).map(name => parseInt(name, 10)).sort((a, b) => a - b)
  }

  // A line that a crash cut off was never confirmed to anybody.
  #mend () {
    const file = this.#file(this.last)
    if (!fs.existsSync(file)) return
    const content = fs.readFileSync(file)
    fs.truncateSync(file, content.lastIndexOf(NEWLINE) + 1)
    if (this.first === this.last) this.offset = Math.min(this.offset, content.lastIndexOf(NEWLINE) + 1)
  }

  #count (number) {
    const file = this.#file(number)
    if (!fs.existsSync(file)) return
    const content = fs.readFileSync(file).subarray(number === this.first ? this.offset : 0)
    this.bytes += content.length
    for (let at = content.indexOf(NEWLINE); at >= 0; at = content.indexOf(NEWLINE, at + 1)) this.waiting++
  }

  // Keep `message` (anything that JSON can say). Throws OutboxFull, or what the disk says; then it was not taken.
  append (message) {
    if (this.closed) throw new Error('the outbox is closed: the flows are being stopped')
    const line = Buffer.from(JSON.stringify(message) + '\n')
    if (this.bytes + line.length > this.maxBytes) {
      throw new OutboxFull(`the outbox holds ${this.waiting} messages, ${this.maxBytes >> 20} MB, and takes no more until Kafka answers`)
    }
    if (this.size >= this.segmentBytes) this.#next()
    try {
      for (let written = 0; written < line.length;) written += fs.writeSync(this.writer, line, written)
    } catch (failed) {
      fs.ftruncateSync(this.writer, this.size)
      throw failed
    }
    this.size += line.length
    this.bytes += line.length
    this.waiting++
    this.dirty = true
  }

  #next () {
    this.#sync()
    fs.closeSync(this.writer)
    this.last++
    this.writer = fs.openSync(this.#file(this.last), 'a', 0o600)
    this.size = 0
  }

  // The oldest messages, at most `count` of about `bytes` in all, and where they end; null if nothing waits.
  peek (count, bytes) {
    while (this.offset >= this.#sizeOf(this.first) && this.first < this.last) this.#drop()
    let end = this.offset
    const messages = []
    const reader = fs.openSync(this.#file(this.first), 'r')
    try {
      const chunk = this.#read(reader, bytes)
      for (let from = 0, at = chunk.indexOf(NEWLINE); at >= 0 && messages.length < count; at = chunk.indexOf(NEWLINE, from)) {
        messages.push(JSON.parse(chunk.toString('utf8', from, at)))
        from = at + 1
        end = this.offset + from
      }
    } finally {
      fs.closeSync(reader)
    }
    return messages.length ? { messages, end } : null
  }

  #read (reader, bytes) {
    const left = fs.fstatSync(reader).size - this.offset
    for (let wanted = bytes; ; wanted *= 4) {
      const chunk = Buffer.alloc(Math.min(wanted, left))
      fs.readSync(reader, chunk, 0, chunk.length, this.offset)
      if (chunk.includes(NEWLINE) || wanted >= left) return chunk
    }
  }

  #sizeOf (number) {
    return number === this.last ? this.size : fs.statSync(this.#file(number)).size
  }

  // Kafka has the first `count` messages, which end at `end`.
  advance (count, end) {
    if (this.closed) return // it will be sent again
    this.bytes -= end - this.offset
    this.waiting -= count
    this.offset = end
    this.#note()
  }

  #drop () {
    fs.unlinkSync(this.#file(this.first))
    this.first++
    this.offset = 0
    this.#note()
  }

  #note () {
    fs.writeSync(this.positionFile, `${this.first} ${this.offset}`.padEnd(40) + '\n', 0)
  }

  // Beside the event loop: a busy disk takes 0.3 s for it, and messages would wait (measured 2026-11).
  #syncLater () {
    if (!this.dirty) return
    this.dirty = false
    fs.fsync(this.writer, failed => { if (failed && failed.code !== 'EBADF') this.dirty = true })
  }

  #sync () {
    if (this.dirty) fs.fsyncSync(this.writer)
    this.dirty = false
  }

  close () {
    this.closed = true
    clearInterval(this.syncing)
    this.#sync()
    fs.closeSync(this.writer)
    fs.closeSync(this.positionFile)
  }
}

module.exports = { Outbox, OutboxFull }
