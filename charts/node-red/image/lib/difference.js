'use strict'
// How nodes differ, for a person to read: `field: before -> after`, and long values as a unified diff.

const { meaning, nameOf } = require('./units.js')

const SHORT = 80 // characters that are shown in one line
const MOST_PAIRS = 4e6 // of lines compared; beyond that all are told as exchanged
const CONTEXT = 1

const linesOf = value => (typeof value === 'string' ? value : JSON.stringify(value, null, 1) ?? '').split('\n')
const inOneLine = value => (value === undefined ? '(nothing)' : typeof value === 'string' ? `'${value}'` : JSON.stringify(value))

// [sign, line] of all lines: ' ' stays, '-' goes, '+' comes.
function compared (before, after) {
  let [start, end] = [0, 0]
  while (start < Math.min(before.length, after.length) && before[start] === after[start]) start++
  while (end < Math.min(before.length, after.length) - start && before.at(-1 - end) === after.at(-1 - end)) end++
  const [old, now] = [before.slice(start, before.length - end), after.slice(start, after.length - end)]
  const stays = line => [' ', line]
  return [...before.slice(0, start).map(stays), ...middle(old, now), ...before.slice(before.length - end).map(stays)]
}

// By the longest common subsequence.
function middle (old, now) {
  if (old.length * now.length > MOST_PAIRS) return [...old.map(line => ['-', line]), ...now.map(line => ['+', line])]
  const common = Array.from({ length: old.length + 1 }, () => new Uint32Array(now.length + 1))
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      common[i][j] = old[i] === now[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1])
    }
  }
  const told = []
  for (let i = 0, j = 0; i < old.length || j < now.length;) {
    if (i < old.length && j < now.length && old[i] === now[j]) told.push([' ', old[i++], j++])
    else if (j === now.length || (i < old.length && common[i + 1][j] >= common[i][j + 1])) told.push(['-', old[i++]])
    else told.push(['+', now[j++]])
  }
  return told
}

function unified (before, after) {
  const all = compared(before, after)
  const near = all.map((_, at) => all.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(([sign]) => sign !== ' '))
  const told = []
  let line = 1 // of `before`
  for (const [at, [sign, text]] of all.entries()) {
    if (near[at] && !near[at - 1]) told.push(`@@ line ${line} @@`)
    if (near[at]) told.push(sign + text)
    if (sign !== '+') line++
  }
  return told
}

function fieldDiffers (field, before, after, hidden) {
  const [old, now] = [hidden(before, field), hidden(after, field)]
  if (JSON.stringify(old) === JSON.stringify(now)) return [`  ${field}: changed (not shown)`]
  const [short, other] = [old, now].map(inOneLine)
  if (![short, other].some(text => text.length > SHORT || text.includes('\n'))) return [`  ${field}: ${short} -> ${other}`]
  return [`  ${field}:`, ...unified(linesOf(old ?? ''), linesOf(now ?? '')).map(line => `    ${line}`)]
}

// What `now` has otherwise than `made`; `hidden` takes secrets out of a value. Without `values` fields are only named.
function difference (made, now, { hidden, values }) {
  const called = node => hidden(nameOf(node))
  const [before, after] = [made, now].map(nodes => new Map(nodes.map(node => [node.id, meaning(node)])))
  const told = []
  for (const [id, node] of after) {
    const old = before.get(id)
    if (!old) told.push(`${called(node)} was added`)
    else {
      const fields = [...new Set([...Object.keys(old), ...Object.keys(node)])]
      const changed = fields.filter(field => JSON.stringify(old[field]) !== JSON.stringify(node[field]))
      if (!changed.length) continue
      told.push(`${called(old)} differs${values ? ':' : ` in ${changed.join(', ')}`}`)
      for (const field of values ? changed : []) told.push(...fieldDiffers(field, old[field], node[field], hidden))
    }
  }
  for (const [id, node] of before) if (!after.has(id)) told.push(`${called(node)} was deleted`)
  return told
}

module.exports = { difference }
