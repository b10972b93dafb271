// People's apps on the JavaScript client of Socket.IO: they write to each other whatever dies meanwhile.
//
// The first line says who: {"url", "people": [{"name", "token", "transports", "talks": [id, …]}]}.
//   → {"ready": true} once everybody is in and has what was there
// {"write": {"each": 12, "pause_ms": 400, "seed": 3}}   everybody writes so many, each until it is acknowledged
//   → {"written": {client_message_id: [talk, seq, id]}}
// {"expect": {talk: N}}                                 everybody has 1..N of each of theirs
//   → {"have": true}
// {"tell": true}
//   → {"apps": {name: {"talks": {talk: [[seq, id, client_message_id], …]}, "wrong": […], "comings": n}}}
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const ACKNOWLEDGED_WITHIN_MS = 4000;
const AGAIN_MS = 150;
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A small generator that a seed decides; the one of the language cannot be seeded.
function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

class App {
  constructor(url, { name, token, transports, talks }) {
    this.name = name;
    this.comings = 0;
    this.wrong = [];
    this.talks = new Map(talks.map((id) => [id, { lines: new Map(), whole: 0 }]));
    // What this one connection was shown last: it must follow on, whatever was fetched beside it.
    this.shown = new Map();
    this.news = () => {};
    const pacing = { reconnectionDelay: AGAIN_MS, reconnectionDelayMax: 600, timeout: 5000 };
    this.socket = io(url, { auth: { token }, transports, forceNew: true, ...pacing });
    this.socket.on("connect", () => this.came());
    this.socket.on("message:new", (line) => this.follows(line));
    // Refused for now, or told to go: the client does not come again by itself.
    const again = () => {
      this.shown.clear();
      if (!this.socket.active) setTimeout(() => this.socket.connect(), AGAIN_MS);
    };
    this.socket.on("disconnect", again);
    this.socket.on("connect_error", (error) => {
      const code = error.data?.code;
      if (code !== undefined && code !== "service_unavailable") this.wrong.push(`refused: ${code}`);
      again();
    });
  }

  async came() {
    this.comings += 1;
    const coming = this.comings;
    this.isUpToDate = false;
    for (const [id, talk] of this.talks) {
      for (let more = true; more && coming === this.comings; ) {
        const answer = await this.ask("sync", { conversation_id: id, after_seq: talk.whole });
        if (!answer?.ok) {
          await pause(AGAIN_MS);
          continue;
        }
        answer.messages.forEach((line) => this.keep(line));
        more = answer.more;
      }
    }
    if (coming === this.comings) {
      this.isUpToDate = true;
      this.news();
    }
  }

  async ask(event, body) {
    try {
      const answer = await this.socket.timeout(ACKNOWLEDGED_WITHIN_MS).emitWithAck(event, body);
      if (!answer.ok && answer.code !== "service_unavailable") this.wrong.push(`${event}: ${JSON.stringify(answer)}`);
      return answer;
    } catch {
      return null; // No answer in time, or the connection is gone.
    }
  }

  follows(line) {
    const before = this.shown.get(line.conversation_id);
    if (before !== undefined && line.seq !== before + 1) this.wrong.push(`shown ${line.seq} after ${before}`);
    this.shown.set(line.conversation_id, line.seq);
    this.keep(line);
  }

  keep(line) {
    const talk = this.talks.get(line.conversation_id);
    const known = talk.lines.get(line.seq);
    if (known === undefined) talk.lines.set(line.seq, [line.id, line.client_message_id]);
    else if (known[0] !== line.id) this.wrong.push(`two messages are ${line.seq}`);
    while (talk.lines.has(talk.whole + 1)) talk.whole += 1;
    this.news();
  }

  async write({ each, pause_ms, seed }, number) {
    const throwing = dice(seed * 1000 + number);
    const ids = [...this.talks.keys()];
    const written = {};
    for (let count = 0; count < each; count += 1) {
      await pause(-Math.log(1 - throwing()) * pause_ms);
      const own = `${this.name} ${seed} ${count}`;
      const talk = ids[Math.floor(throwing() * ids.length)];
      const body = { conversation_id: talk, text: `¡Hola! ${own}`, client_message_id: own };
      let answer = await this.ask("message:send", body);
      while (!answer?.ok) {
        await pause(AGAIN_MS);
        answer = await this.ask("message:send", body);
      }
      written[own] = [talk, answer.message.seq, answer.message.id];
      this.keep(answer.message);
    }
    return written;
  }

  // Everything that is there has been shown, and not more: what is shown twice or made up shows in `lines`.
  until(test) {
    return new Promise((resolve) => {
      this.news = () => test(this) && resolve();
      this.news();
    });
  }

  told() {
    const talks = [...this.talks].map(([id, { lines }]) => [id, [...lines].map(([seq, line]) => [seq, ...line])]);
    return { talks: Object.fromEntries(talks), wrong: this.wrong, comings: this.comings };
  }
}

let apps = [];
async function obey(order) {
  if (order.people) {
    apps = order.people.map((person) => new App(order.url, person));
    await Promise.all(apps.map((app) => app.until(() => app.isUpToDate)));
    say({ ready: true });
  } else if (order.write) {
    const written = await Promise.all(apps.map((app, number) => app.write(order.write, number)));
    say({ written: Object.assign({}, ...written) });
  } else if (order.expect) {
    const has = (app) => [...app.talks].every(([id, talk]) => talk.whole >= order.expect[id]);
    await Promise.all(apps.map((app) => app.until(has)));
    say({ have: true });
  } else {
    say({ apps: Object.fromEntries(apps.map((app) => [app.name, app.told()])) });
  }
}
createInterface({ input: process.stdin }).on("line", (line) => obey(JSON.parse(line))).on("close", () => process.exit(0));
