// Next.js calls register() once in each process, before the first request. It lies beside `app/`, or in `src/`.

export async function register(): Promise<void> {
  // Not in the Edge runtime of middleware, which has no KMS: Next.js leaves this block out of it.
  if (process.env.NEXT_RUNTIME === "nodejs") {
    const { startWithKey } = await import("@eonpro/phi");
    await startWithKey();
  }
}
