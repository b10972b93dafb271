// A client of Socket.IO that does what it is told, a line of JSON at a time, and says what happens.
//
//   {"connect": "a", "url": …, "token": …, "transports": […], "language": …}   opens a socket called "a"
//   {"emit": "a", "event": …, "body": …, "id": 7}                             → {"ack": 7, "answer": …}
//   {"close": "a"}
//
// Says {"socket": "a", "what": "connect" | "connect_error" | "disconnect" | "event", …}.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const sockets = new Map();
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

function connect({ connect: name, url, token, transports, language }) {
  const socket = io(url, {
    auth: token === undefined ? {} : { token },
    transports: transports ?? ["polling", "websocket"],
    extraHeaders: language ? { "Accept-Language": language } : {},
    forceNew: true,
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
  });
  sockets.set(name, socket);
  socket.on("connect", () =>
    say({ socket: name, what: "connect", transport: socket.io.engine.transport.name, sid: socket.io.engine.id }),
  );
  socket.io.on("open", () => {
    socket.io.engine.on("upgrade", (transport) => say({ socket: name, what: "upgrade", transport: transport.name }));
  });
  socket.on("connect_error", (error) =>
    say({ socket: name, what: "connect_error", message: error.message, data: error.data ?? null }),
  );
  socket.on("disconnect", (reason) => say({ socket: name, what: "disconnect", reason }));
  socket.onAny((event, body) => say({ socket: name, what: "event", event, body }));
}

function emit({ emit: name, event, body, id }) {
  sockets.get(name).emit(event, body, (answer) => say({ ack: id, answer }));
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line);
  if (order.connect) connect(order);
  else if (order.emit) emit(order);
  else sockets.get(order.close).disconnect();
}).on("close", () => process.exit(0));
