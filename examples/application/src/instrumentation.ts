// Next.js calls register() once in each process, before the first request. It lies beside `app/`, or in `src/`.

export async function register(): Promise<void> {
  // Not in the Edge runtime of middleware, which has no KMS, and not during `next build`, which has no key.
  if (process.env.NEXT_RUNTIME !== "nodejs" || process.env.NEXT_PHASE === "phase-production-build") return;
  const { startWithKey } = await import("./phi");
  await startWithKey();
}
