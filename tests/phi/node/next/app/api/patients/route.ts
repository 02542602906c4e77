import { decryptPHI, encryptPHI, withKey } from "@eonpro/phi";
export const POST = withKey(async (request: Request) => {
  const { email } = await request.json();
  return Response.json({ email: decryptPHI(encryptPHI(email)) });
});
