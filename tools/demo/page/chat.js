// A chat on the stock Socket.IO client: puts the session and the view together.

import { Chat } from "./session.js";
import { View } from "./view.js";

const DEFAULT_ROOMS = ["lobby", "engineering", "random"];
const GATEWAY_PORTS = [3001, 3002];

const view = new View();
const wanted = new URLSearchParams(location.search);
const name = await view.askName(sessionStorage.getItem("name") ?? wanted.get("name"));
sessionStorage.setItem("name", name);

// `io` is the global of /socket.io/socket.io.js.
const chat = new Chat(window.io, name, view);
view.onSend = (text) => chat.send(text);
view.onRoom = (room) => open(room);
view.onDrop = () => chat.drop();
view.onRename = () => {
  sessionStorage.removeItem("name");
  location.search = "";
};
for (const room of DEFAULT_ROOMS) chat.add(room);
open(wanted.get("room") || DEFAULT_ROOMS[0]);

function open(room) {
  chat.open(room);
  view.showGateways(GATEWAY_PORTS, new URLSearchParams({ name, room }));
}
