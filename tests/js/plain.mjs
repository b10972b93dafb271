// Node's socket.io with nothing behind it, to compare with: whoever writes is acknowledged and shown to everybody.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"] });
let seq = 0;
io.on("connection", (socket) => {
  socket.on("message:send", (body, acknowledge) => {
    const message = { ...body, id: String((seq += 1)), seq, sent_at: new Date().toISOString() };
    io.emit("message:new", message);
    acknowledge({ ok: true, message });
  });
});
http.listen(Number(process.argv[2]), "127.0.0.1");
