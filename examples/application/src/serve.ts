// What Next.js and Vercel do around the application, for its tests and `make demo`: register(), then requests. It prints
// its address. POST /encrypt, /decrypt or /hash takes a JSON list of texts, and answers with the list of results.

import { AsyncLocalStorage } from "node:async_hooks";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { decryptPHI, encryptPHI, searchHash, withKey } from "@eonpro/phi";
import { register } from "./instrumentation";

// On Vercel the token is in the headers of each request, and nowhere else.
const requests = new AsyncLocalStorage<{ headers: IncomingMessage["headers"] }>();
Object.assign(globalThis, { [Symbol.for("@vercel/request-context")]: { get: () => requests.getStore() } });

const routes: Record<string, (text: string) => string | null> = {
  "/encrypt": encryptPHI,
  "/decrypt": decryptPHI,
  "/hash": (text) => searchHash("email", text),
};

const handle = withKey(async (request: IncomingMessage) => {
  const texts = (await json(request)) as string[];
  const route = routes[request.url ?? ""]!;
  // Not map(route): decryptPHI would take the index for a context.
  return texts.map((text) => route(text));
});

await register();
const server = createServer((request, response) => {
  requests.run({ headers: request.headers }, () => {
    handle(request).then(
      (results) => response.end(JSON.stringify(results)),
      (error: unknown) => response.writeHead(503).end(String(error)),
    );
  });
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
