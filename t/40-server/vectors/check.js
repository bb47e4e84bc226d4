// What another implementation of MessagePack makes of the vectors, and messages as it writes them.
//
//   node check.js decode DIR   each vector is what its twin says: a line of TAP
//   node check.js encode DIR   lines of: outcome that is expected, name, bytes in hex
//
// In a twin {"bin": hex} are bytes, and {"u64": digits} a number that JSON cannot say exactly.
'use strict';
const fs = require('fs');
const path = require('path');
const { encode, decode } = require('@msgpack/msgpack');

const [mode, dir] = process.argv.slice(2);
const names = fs.readdirSync(dir).filter((file) => file.endsWith('.hex')).map((file) => file.slice(0, -4)).sort();
const hexOf = (bytes) => Buffer.from(bytes).toString('hex');
const twinOf = (name) => JSON.parse(fs.readFileSync(path.join(dir, name + '.json'), 'utf8'));
const bytesOf = (name) => Buffer.from(fs.readFileSync(path.join(dir, name + '.hex'), 'latin1').replace(/\s/g, ''), 'hex');
const isMap = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
const isPlain = (value) => isMap(value) && !(value instanceof Uint8Array);

// From what a twin says to the values themselves. An integer beyond 32 bits has to be a BigInt to be written as one.
function valueOf(twin) {
  if (Array.isArray(twin)) return twin.map(valueOf);
  if (Number.isInteger(twin) && twin > 0xffffffff) return BigInt(twin);
  if (!isMap(twin)) return twin;
  const keys = Object.keys(twin);
  if (keys.length === 1 && keys[0] === 'bin') return new Uint8Array(Buffer.from(twin.bin, 'hex'));
  if (keys.length === 1 && keys[0] === 'u64') return BigInt(twin.u64);
  return Object.fromEntries(keys.map((key) => [key, valueOf(twin[key])]));
}

// And back.
function twinFrom(value) {
  if (Array.isArray(value)) return value.map(twinFrom);
  if (value instanceof Uint8Array) return { bin: hexOf(value) };
  if (typeof value === 'bigint')
    return value <= Number.MAX_SAFE_INTEGER ? Number(value) : { u64: value.toString() };
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.keys(value).map((key) => [key, twinFrom(value[key])]));
}

function tokenFrom(text) {
  const bytes = Buffer.from(text.slice('sense1.'.length), 'base64url');
  const servers = [];
  for (let at = 66; at < bytes.length; at += 1 + bytes[at])
    servers.push(bytes.toString('latin1', at + 1, at + 1 + bytes[at]));
  if (!text.startsWith('sense1.') || bytes.toString('base64url') !== text.slice(7) || bytes[65] !== servers.length)
    return null;
  const part = (from, to) => bytes.toString('hex', from, to);
  return { version: bytes[0], id: part(1, 17), secret: part(17, 33), ca: part(33, 65), servers };
}

function checkAll() {
  let count = 0;
  const ok = (good, text) => console.log(`${good ? 'ok' : 'not ok'} ${++count} - ${text}`);
  for (const name of names) {
    const bytes = bytesOf(name);
    const twin = twinOf(name);
    const got = name === 'token' ? tokenFrom(bytes.toString('latin1')) : twinFrom(decode(bytes, { useBigInt64: true }));
    ok(JSON.stringify(got) === JSON.stringify(twin), `${name} is what its twin says`);
    if (name !== 'token')
      ok(hexOf(encode(valueOf(twin), { useBigInt64: true })) === hexOf(bytes), `${name} is written so by others`);
  }
  console.log(`1..${count}`);
}

// The same value with members in another order; these two are lists, whose order stays.
function reversed(value) {
  if (Array.isArray(value)) return value.map(reversed);
  if (!isPlain(value)) return value;
  const other = (key) => (['counters', 'arguments'].includes(key) ? value[key] : reversed(value[key]));
  return Object.fromEntries(Object.keys(value).reverse().map((key) => [key, other(key)]));
}

// The same value with every number in eight bytes.
function wide(value) {
  if (Array.isArray(value)) return value.map(wide);
  if (typeof value === 'number') return BigInt(value);
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.keys(value).map((key) => [key, wide(value[key])]));
}

// The message with its map changed: parameters, result or error.
function withMap(message, change) {
  const copy = [...message];
  const at = copy.length - 1;
  if (Array.isArray(copy[at])) copy[at] = [change(copy[at][0])];
  else if (copy[at]) copy[at] = change(copy[at]);
  else copy[at - 1] = change(copy[at - 1]);
  return copy;
}

function writeAll() {
  const write = (expect, name, value, options) =>
    console.log(`${expect} ${name} ${hexOf(encode(value, { useBigInt64: true, ...options }))}`);
  const later = { later: [1, null, { deep: [true, -1.5, new Uint8Array(3), new Date(0)] }] };
  for (const name of names.filter((other) => Array.isArray(twinOf(other)))) {
    const message = valueOf(twinOf(name));
    write('same', name, message);
    write('same', name, withMap(message, reversed));
    write('same', name, withMap(message, (map) => ({ ...later, ...map, zzz: 'later' })));
    write('same', name, wide(message));
    write('refused', name, message, { forceIntegerToFloat: true });
    write('refused', name, [...message, 0]);
    write('refused', name, message.slice(0, -1));
    write('refused', name, withMap(message, () => 'text'));
    withMap(message, (map) => {
      const first = Object.keys(map)[0];
      if (first) write('refused', name, withMap(message, ({ [first]: gone, ...rest }) => rest));
      if (first) write('refused', name, withMap(message, () => ({ ...map, [first]: null })));
      return map;
    });
  }
}

if (mode === 'decode') checkAll();
else if (mode === 'encode') writeAll();
else process.exit(2);
