// The page. What a server or another person has said gets into it through textContent only, never as markup.

const find = (id) => document.getElementById(id);

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

/** The same colour for the same name on every screen, in degrees; small changes of a name move it far. */
function hue(text) {
  let hash = 0;
  for (const character of text) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193);
  return (hash >>> 8) % 360;
}

export class View {
  #messages = find("messages");
  #name = "";

  /** What the person does; set by whoever owns the view. */
  onSend = () => {};
  onRoom = () => {};
  onDrop = () => {};
  onRename = () => {};

  constructor() {
    this.#form("message-form", "message-text", (text) => this.onSend(text));
    this.#form("room-form", "room-name", (room) => this.onRoom(room));
    find("drop").addEventListener("click", () => this.onDrop());
    find("rename").addEventListener("click", () => this.onRename());
  }

  /** The name that is known already, or the one that the person gives. */
  async askName(known) {
    if (known?.trim()) return known.trim();
    const dialog = find("name-dialog");
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.showModal();
    return new Promise((resolve) => {
      find("name-form").addEventListener("submit", (event) => {
        const name = find("name").value.trim();
        if (name) resolve(name);
        else event.preventDefault();
      });
    });
  }

  showName(name) {
    this.#name = name;
    find("me").textContent = name;
    document.title = `${name} – Rejoin chat`;
    find("message-text").focus();
  }

  /** `state`: online, reconnecting or offline. */
  showState(state) {
    const badge = find("state");
    badge.textContent = state;
    badge.dataset.state = state;
    find("drop").disabled = state !== "online";
    if (state !== "online") find("transport").textContent = "";
  }

  showTransport(name) {
    find("transport").textContent = name === "websocket" ? "WebSocket" : name;
  }

  showGateways(ports, query) {
    const links = ports.map((port) => {
      const link = element("a", "", `gateway ${port}`);
      link.href = `${location.protocol}//${location.hostname}:${port}/?${query}`;
      if (String(port) === location.port) link.setAttribute("aria-current", "page");
      return link;
    });
    find("gateways").replaceChildren(...links);
  }

  showRooms(rooms, current) {
    const focused = document.activeElement?.dataset?.room;
    const items = rooms.map((room) => {
      const button = element("button", "room");
      button.type = "button";
      button.dataset.room = room.name;
      button.append(element("span", "room-name", room.name));
      if (room.unread > 0) button.append(element("span", "unread", String(room.unread)));
      if (room.name === current) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => this.onRoom(room.name));
      const item = document.createElement("li");
      item.append(button);
      return item;
    });
    find("rooms").replaceChildren(...items);
    if (focused !== undefined) document.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();

    const room = rooms.find(({ name }) => name === current);
    find("room-title").textContent = current ?? "";
    find("room-facts").textContent = room?.members ? `${room.members} here when you came` : "";
  }

  /** All of a room's messages, in place of what was shown. */
  showMessages(messages) {
    this.#messages.replaceChildren(...messages.map((message) => this.#message(message)));
    this.#scrollToEnd();
  }

  /** One new message at its place among the others. */
  insert(messages, at) {
    const isAtEnd = this.#isAtEnd();
    const next = messages[at + 1];
    const before = next ? this.#messages.querySelector(`[data-seq="${Number(next.seq)}"]`) : this.#firstPending();
    this.#messages.insertBefore(this.#message(messages[at]), before);
    if (isAtEnd) this.#scrollToEnd();
  }

  /** A message on its way; the caller removes the element once the message is stored. */
  showPending(text, from) {
    const item = this.#message({ from: { user: from }, data: { text } });
    item.classList.add("pending");
    item.querySelector(".mark").textContent = "sending…";
    this.#messages.append(item);
    this.#scrollToEnd();
    return item;
  }

  /** Something about the connection. `kind`: good, warn or bad. */
  note(text, kind) {
    const isAtEnd = this.#isAtEnd();
    this.#messages.insertBefore(element("li", `note ${kind}`, text), this.#firstPending());
    if (isAtEnd) this.#scrollToEnd();
  }

  #message({ seq, ts, from, data, isReplayed }) {
    const item = find("message-template").content.firstElementChild.cloneNode(true);
    const author = from?.user ?? "anonymous";
    item.querySelector(".from").textContent = author;
    item.style.setProperty("--hue", hue(author));
    item.classList.toggle("own", author === this.#name);
    // Anybody may publish anything: what is no text is shown as JSON.
    item.querySelector(".text").textContent = typeof data?.text === "string" ? data.text : JSON.stringify(data);
    if (seq !== undefined) {
      const time = new Date(ts);
      item.dataset.seq = seq;
      item.querySelector("time").dateTime = time.toISOString();
      item.querySelector("time").textContent = time.toLocaleTimeString([], { timeStyle: "short" });
      item.querySelector(".seq").textContent = `#${seq}`;
    }
    item.classList.toggle("replayed", Boolean(isReplayed));
    if (isReplayed) item.querySelector(".mark").textContent = "missed and replayed";
    return item;
  }

  #firstPending() {
    return this.#messages.querySelector(".pending");
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#messages;
    return scrollHeight - scrollTop - clientHeight < 60;
  }

  #scrollToEnd() {
    this.#messages.scrollTop = this.#messages.scrollHeight;
  }

  #form(id, input, use) {
    find(id).addEventListener("submit", (event) => {
      event.preventDefault();
      const text = find(input).value.trim();
      find(input).value = "";
      if (text) use(text);
    });
  }
}
