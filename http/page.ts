import html from "./page.html" with { type: "text" };
import { respond } from "./respond.ts";

/** The page, with a Content Security Policy that restricts it to this node. */
export function page(): Response {
  const nonce = crypto.randomUUID();
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    // Other nodes are asked what they say, at URLs that may come to the queue while the page is open.
    "connect-src http: https:",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return respond(200, "text/html; charset=utf-8", html.replaceAll("%NONCE%", nonce), {
    "content-security-policy": policy.join("; "),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    vary: "accept",
  });
}
