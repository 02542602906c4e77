export async function register() {
  if (process.env.NEXT_RUNTIME === "nodejs") {
    const { startWithKey } = await import("@eonpro/phi");
    await startWithKey();
  }
}
