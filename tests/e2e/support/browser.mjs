// A real browser for a test file, and pages of an origin of their own.

import { createServer } from "node:http";
import { after, before } from "node:test";

import { chromium } from "playwright-core";

const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Returns a function for the file's browser, which is there while its tests run. */
export function useBrowser() {
  let browser = null;
  before(async () => {
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
  });
  after(() => browser?.close());
  return () => browser;
}

/** A web site that has nothing but empty pages: its origin, until the file's tests are over. */
export async function site() {
  const server = createServer((request, response) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    response.end("<!doctype html><title>elsewhere</title>");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://localhost:${server.address().port}`;
}
