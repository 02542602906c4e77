// From the start of a process to its first decrypted record, with @eonpro/phi or by hand. KMS is the endpoint of the variables.
const [side, place, record] = process.argv.slice(1);
let text;
if (side === "phi") {
  const phi = await import(place);
  await phi.initializeEncryption();
  text = phi.decryptPHI(record);
} else {
  const { createDecipheriv } = await import("node:crypto");
  const { DecryptCommand, KMSClient } = await import("@aws-sdk/client-kms");
  const kms = new KMSClient({ region: process.env.AWS_REGION });
  const CiphertextBlob = Buffer.from(process.env.ENCRYPTED_PHI_KEY, "base64");
  const { Plaintext } = await kms.send(new DecryptCommand({ KeyId: process.env.AWS_KMS_KEY_ID, CiphertextBlob }));
  const [iv, tag, ciphertext] = record.split(":").map((part) => Buffer.from(part, "base64"));
  const decipher = createDecipheriv("aes-256-gcm", Plaintext, iv).setAuthTag(tag);
  text = Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString("utf8");
}
if (text !== "Jane") throw new Error("another text");
