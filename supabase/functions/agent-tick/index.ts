// Lets a schedule run workers over HTTP while the worker key stays a secret of this function (docs/cron.md).
import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";

const LONGEST_MS = 140_000; // the platform ends a function after 150 s

function setting(name: string): string {
  const value = Deno.env.get(name);
  if (!value) throw new Error(`${name} is not set: supabase secrets set ${name}=...`);
  return value;
}

// Digests are of one length, which is what timingSafeEqual asks for.
function isSame(one: string, other: string): boolean {
  const digest = (text: string) => createHash("sha256").update(Buffer.from(text)).digest();
  return timingSafeEqual(digest(one), digest(other));
}

Deno.serve(async (request) => {
  if (request.method !== "POST") return new Response(null, { status: 405, headers: { Allow: "POST" } });
  if (!isSame(request.headers.get("x-tick-secret") ?? "", setting("AGENT_TICK_SECRET"))) {
    return new Response(null, { status: 401 });
  }
  try {
    const answer = await fetch(new URL("/workers/tick?seconds=50", setting("AGENT_API_URL")), {
      method: "POST",
      headers: { Authorization: `Bearer ${setting("AGENT_WORKER_KEY")}` },
      signal: AbortSignal.timeout(LONGEST_MS),
    });
    const body = await answer.text();
    if (!answer.ok) console.error(`tick: ${answer.status} ${body}`);
    return new Response(body, { status: answer.status, headers: { "Content-Type": "application/json" } });
  } catch (error) {
    console.error(`tick: ${error}`);
    return new Response(null, { status: 502 });
  }
});
