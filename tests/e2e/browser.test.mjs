// The demo page in a real browser: two tabs chat, one loses its connection and gets what it missed, marked.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { before } from "node:test";
import { fileURLToPath } from "node:url";

import { useBrowser } from "./support/browser.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const PAGE = fileURLToPath(new URL("../../tools/demo/page", import.meta.url));
const DIST = fileURLToPath(new URL("./node_modules/socket.io-client/dist", import.meta.url));
const FILES = { "client-dir": DIST, "page-dir": PAGE };
const OUT = process.env.REJOIN_OUT ?? join(process.cwd(), "e2e-out");
const test = suite({
  gateways: 2,
  broker: { identity: "claimed" },
  gateway: FILES,
});

const browser = useBrowser();
before(() => mkdirSync(OUT, { recursive: true }));

/** One person's tab, past the name dialog; an error on the page fails the test at its end. */
class Tab {
  static async open(scope, name, gateway = 0) {
    const context = await browser().newContext({ viewport: { width: 1000, height: 700 } });
    const tab = scope.own(new Tab(context, await context.newPage()));
    await tab.page.goto(scope.cluster.url(gateway));
    await tab.page.getByPlaceholder("Your name").fill(name);
    await tab.page.keyboard.press("Enter");
    await tab.untilState("online");
    return tab;
  }

  constructor(context, page) {
    this.context = context;
    this.page = page;
    this.errors = [];
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("dialog", (dialog) => {
      this.errors.push(`a script opened a dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
  }

  async untilState(state) {
    await this.page.locator(`#state[data-state="${state}"]`).waitFor();
  }

  async say(text) {
    await this.page.getByPlaceholder("Write a message").fill(text);
    await this.page.keyboard.press("Enter");
  }

  /** Waits until the shown messages are exactly these: [text, mark] pairs. */
  async untilShown(expected) {
    const shown = () =>
      this.page.$$eval("#messages .message", (items) =>
        items.map((item) => [item.querySelector(".text").textContent, item.querySelector(".mark").textContent]),
      );
    let last;
    await until(
      async () => JSON.stringify((last = await shown())) === JSON.stringify(expected),
      () => `shown ${JSON.stringify(expected)}; got ${JSON.stringify(last)}`,
    );
  }

  async openRoom(name) {
    await this.page.getByPlaceholder("another room").fill(name);
    await this.page.keyboard.press("Enter");
    await this.page.locator("#room-title", { hasText: name }).waitFor();
    await this.page.locator("#room-facts:not(:empty)").waitFor();
  }

  async screenshot(name) {
    await this.page.screenshot({ path: join(OUT, `${name}.png`) });
  }

  async close() {
    await this.context.close();
    assert.deepEqual(this.errors, []);
  }
}

test("two tabs chat, and one that was away gets what it missed, marked", async (scope) => {
  const room = scope.room("browser");
  const [ada, grace] = [await Tab.open(scope, "Ada"), await Tab.open(scope, "Grace", 1)];
  await ada.openRoom(room);
  await grace.openRoom(room);
  await ada.say("Hello Grace!");
  await grace.untilShown([["Hello Grace!", ""]]);
  await grace.say("Hello Ada, nice to see you.");
  const greeted = [["Hello Grace!", ""], ["Hello Ada, nice to see you.", ""]];
  await ada.untilShown(greeted);

  await grace.page.getByRole("button", { name: "Drop connection" }).click();
  await grace.untilState("reconnecting");
  await ada.say("Are you still there?");
  await ada.say("It seems that your network is gone.");
  await ada.untilShown([...greeted, ["Are you still there?", ""], ["It seems that your network is gone.", ""]]);
  await grace.untilState("online");
  const missed = [
    ["Are you still there?", "missed and replayed"],
    ["It seems that your network is gone.", "missed and replayed"],
  ];
  await grace.untilShown([...greeted, ...missed]);
  await grace.say("Here I am again, and I have read it all.");
  await ada.say("Wonderful.");
  const since = [["Here I am again, and I have read it all.", ""], ["Wonderful.", ""]];
  await grace.untilShown([...greeted, ...missed, ...since]);
  assert.equal(await grace.page.locator(".note.good").count(), 1, "a note tells of the recovery");
  await grace.screenshot("chat");
  await grace.page.emulateMedia({ colorScheme: "dark" });
  await grace.screenshot("chat-dark");
  await grace.page.setViewportSize({ width: 390, height: 700 });
  await grace.screenshot("chat-narrow");
});

test("who comes later finds the history, and markup stays text", async (scope) => {
  const room = scope.room("browser");
  const evil = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
  const ada = await Tab.open(scope, "<b>Ada</b>");
  await ada.openRoom(room);
  await ada.say(evil);
  await ada.untilShown([[evil, ""]]);
  const late = await Tab.open(scope, "Late", 1);
  await late.openRoom(room);
  await late.untilShown([[evil, ""]]);
  assert.equal(await late.page.locator("#messages img, #messages b, #messages script").count(), 0);
  assert.equal(await late.page.locator("#messages .from").textContent(), "<b>Ada</b>");
});

const FORGETFUL = { gateways: 1, broker: { identity: "claimed", "session-lifetime": 1000 }, gateway: FILES };
test.alone("a session that cannot be recovered is told so, and the history is loaded", FORGETFUL, async (scope) => {
  const room = scope.room("browser");
  const [ada, grace] = [await Tab.open(scope, "Ada"), await Tab.open(scope, "Grace")];
  await ada.openRoom(room);
  await grace.openRoom(room);
  await grace.page.getByRole("button", { name: "Drop connection" }).click();
  await ada.say("Into the void");
  await grace.untilState("online");
  await grace.page.locator(".note.bad").waitFor();
  await grace.untilShown([["Into the void", ""]]);
});

test("the page is usable by keyboard alone", async (scope) => {
  const ada = await Tab.open(scope, "Ada");
  const { page } = ada;
  const reached = new Set();
  for (let n = 0; n < 25; n++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.dataset.room || ""));
  }
  for (const id of ["drop", "engineering", "room-name", "messages", "message-text", "rename"]) {
    assert.ok(reached.has(id), `Tab reaches ${id}; it reached ${[...reached]}`);
  }
  await page.locator('[data-room="engineering"]').focus();
  await page.keyboard.press("Enter");
  await page.locator("#room-title", { hasText: "engineering" }).waitFor();
});
