// A load on any server of Socket.IO: sockets that write, and sockets that count what they are shown.
//
// {"open": [{"name", "token", "copy"}], "url"}    copy: the first part of the socket's id, if it is to be that one
//   → {"open": {name: copy}}
// {"write": {"talks": {name: talk}, "reader", "a_second": 200, "seconds": 8}}   each name in its own conversation
//   → {"acknowledged_ms": […], "shown_ms": […], "refused": [code, …]}          shown: on the reader's socket
// {"flood": {"talk", "names": […], "each": 25}}   each name, the next one when the last one is acknowledged
//   → {"seconds", "shown"}                        once every open socket has been shown everything
// {"ends": [name, …]}                             → {"ended_at_ms": {name: …}} once all of these have been ended
// {"close": true}                                 → {"closed": true}
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const AT_ONCE = 20;
const TRIES = 60;
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const sockets = new Map();
const endedAt = new Map();
let shown = () => {};
let ended = () => {};
let counter = 0;

function opened(url, { name, token }) {
  return new Promise((resolve, reject) => {
    const socket = io(url, { auth: { token }, transports: ["websocket"], forceNew: true, reconnection: false });
    socket.on("connect", () => resolve(socket));
    socket.on("connect_error", (error) => reject(new Error(`${name}: ${error.message}`)));
    socket.on("message:new", (line) => shown(name, line));
    socket.on("disconnect", () => {
      endedAt.set(name, Date.now());
      ended();
    });
  });
}

async function open(url, wanted) {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const socket = await opened(url, wanted);
    const copy = socket.io.engine.id.split(".")[0];
    if (wanted.copy === undefined || wanted.copy === copy) {
      endedAt.delete(wanted.name);
      sockets.set(wanted.name, socket);
      return copy;
    }
    socket.disconnect();
  }
  throw new Error(`${wanted.name} never came to ${wanted.copy}`);
}

async function openAll(url, all) {
  const found = {};
  for (let start = 0; start < all.length; start += AT_ONCE) {
    const some = all.slice(start, start + AT_ONCE);
    const copies = await Promise.all(some.map((one) => open(url, one)));
    some.forEach((one, place) => (found[one.name] = copies[place]));
  }
  return found;
}

function send(name, talk) {
  const own = `m${(counter += 1)}`;
  const body = { conversation_id: talk, text: `¿Hay lugar mañana? ${own}`, client_message_id: own };
  return [own, sockets.get(name).timeout(10000).emitWithAck("message:send", body)];
}

async function write({ talks, reader, a_second, seconds }) {
  const names = Object.keys(talks);
  const sentAt = new Map();
  const acknowledged = [];
  const refused = [];
  const seen = new Map();
  shown = (name, line) => {
    if (name === reader) seen.set(line.client_message_id, performance.now() - sentAt.get(line.client_message_id));
  };
  const answers = [];
  const began = performance.now();
  for (let number = 0; number < a_second * seconds; number += 1) {
    const due = began + (number * 1000) / a_second;
    if (due > performance.now()) await pause(due - performance.now());
    const name = names[number % names.length];
    const at = performance.now();
    const [own, answer] = send(name, talks[name]);
    sentAt.set(own, at);
    answers.push(
      answer.then((said) => (said.ok ? acknowledged.push(performance.now() - at) : refused.push(said.code))),
    );
  }
  await Promise.all(answers);
  for (let looks = 0; seen.size < acknowledged.length && looks < 200; looks += 1) await pause(50);
  return { acknowledged_ms: acknowledged, shown_ms: [...seen.values()], refused };
}

async function flood({ talk, names, each }) {
  let count = 0;
  shown = () => (count += 1);
  const wanted = names.length * each * sockets.size;
  const began = performance.now();
  const one = async (name) => {
    for (let number = 0; number < each; number += 1) {
      const answer = await send(name, talk)[1];
      if (!answer.ok) throw new Error(`${name}: ${answer.code}`);
    }
  };
  await Promise.all(names.map(one));
  while (count < wanted) {
    if (performance.now() - began > 60000) throw new Error(`${count} of ${wanted} were shown`);
    await pause(1);
  }
  return { seconds: (performance.now() - began) / 1000, shown: count };
}

function untilEnded(names) {
  return new Promise((resolve) => {
    ended = () => names.every((name) => endedAt.has(name)) && resolve();
    ended();
  });
}

async function obey(order) {
  if (order.open) say({ open: await openAll(order.url, order.open) });
  else if (order.write) say(await write(order.write));
  else if (order.flood) say(await flood(order.flood));
  else if (order.ends) {
    await untilEnded(order.ends);
    say({ ended_at_ms: Object.fromEntries(order.ends.map((name) => [name, endedAt.get(name)])) });
  } else {
    for (const socket of sockets.values()) socket.disconnect();
    sockets.clear();
    say({ closed: true });
  }
}
createInterface({ input: process.stdin }).on("line", (line) => obey(JSON.parse(line))).on("close", () => process.exit(0));
