/** Maps error codes of KMS and STS to the errors of this package. */

import * as errors from "./errors.js";

type Kind = new (message: string) => errors.UnwrapError;
type Row = readonly [Kind, string];

const UNAVAILABLE: Row = [errors.Unreachable, "KMS is not available now"];
const THROTTLED: Row = [errors.Throttled, "AWS throttles these requests"];
const UNKNOWN_CREDENTIALS: Row = [errors.BadCredentials, "AWS does not know these credentials"];
const EXPIRED: Row = [errors.BadCredentials, "The credentials have expired"];
const WRONG_SIGNATURE: Row = [errors.BadCredentials, "The secret access key is wrong, or this machine's clock is wrong"];

/** Codes of https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors and .../CommonErrors.html. */
export const ERRORS_BY_CODE: Readonly<Record<string, Row>> = {
  AccessDeniedException: [
    errors.AccessDenied,
    "The principal is not allowed to decrypt with this key, or another key wrapped the data key",
  ],
  AccessDenied: [errors.AccessDenied, "The principal is denied"],
  NotFoundException: [errors.NotFound, "The key does not exist in this account and Region"],
  DisabledException: [errors.Disabled, "The key is disabled"],
  KMSInvalidStateException: [errors.Disabled, "The key is disabled, pending deletion or not usable now"],
  InvalidCiphertextException: [
    errors.InvalidCiphertext,
    "The wrapped key is corrupted, truncated, or bound to an encryption context",
  ],
  IncorrectKeyException: [errors.WrongKey, "The wrapped key was wrapped by another KMS key"],
  InvalidKeyUsageException: [errors.WrongKey, "The KMS key is not an encryption key"],
  ValidationException: [errors.MalformedVariable, "KMS cannot read the request"],
  InvalidArnException: [errors.MalformedVariable, "KMS cannot read the key's ARN"],
  UnrecognizedClientException: UNKNOWN_CREDENTIALS,
  InvalidClientTokenId: UNKNOWN_CREDENTIALS,
  AuthFailure: [errors.BadCredentials, "AWS does not accept these credentials"],
  ExpiredTokenException: EXPIRED,
  ExpiredToken: EXPIRED,
  SignatureDoesNotMatch: WRONG_SIGNATURE,
  InvalidSignatureException: WRONG_SIGNATURE,
  IncompleteSignature: [errors.BadCredentials, "AWS cannot read the signature"],
  RequestExpired: [errors.BadCredentials, "The request arrived too late, or this machine's clock is wrong"],
  OptInRequired: [errors.AccessDenied, "The account has no access to KMS in this Region"],
  NotAuthorized: [errors.AccessDenied, "The principal is denied"],
  MissingAuthenticationTokenException: [errors.BadCredentials, "The request carried no credentials"],
  ThrottlingException: THROTTLED,
  Throttling: THROTTLED,
  RequestThrottled: THROTTLED,
  TooManyRequestsException: THROTTLED,
  LimitExceededException: THROTTLED,
  InternalFailure: UNAVAILABLE,
  ServiceUnavailable: UNAVAILABLE,
  ServiceUnavailableException: UNAVAILABLE,
  RequestAbortedException: UNAVAILABLE,
  RequestTimeout: UNAVAILABLE,
  RequestTimeoutException: UNAVAILABLE,
  DependencyTimeoutException: UNAVAILABLE,
  KeyUnavailableException: UNAVAILABLE,
  KMSInternalException: UNAVAILABLE,
};

/** The error for what the SDK threw. AWS's own messages are not used: signature errors quote headers with the session token. */
export function errorFor(thrown: unknown, region: string): errors.UnwrapError {
  if (thrown instanceof errors.UnwrapError) return thrown;
  const { name = "", $metadata } = (thrown ?? {}) as { name?: string; $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode ?? 0;
  if (Object.hasOwn(ERRORS_BY_CODE, name)) return error(ERRORS_BY_CODE[name]!, name, region);
  if (name === "CredentialsProviderError" || name === "TokenProviderError" || name === "VercelOidcTokenError") {
    return new errors.NoCredentials(`No usable AWS credentials were found (${name}).`);
  }
  if (status >= 500) return error(UNAVAILABLE, name, region);
  if (status === 429) return error(THROTTLED, name, region);
  // A body that is no JSON, with status 200: a proxy's page.
  if (thrown instanceof SyntaxError || status === 200) {
    return new errors.InvalidResponse(`The response of kms in ${region} cannot be read (${name}).`);
  }
  if (status > 0) return error([errors.RequestRejected, "AWS rejected the request"], name, region);
  return new errors.Unreachable(`kms in ${region} did not answer (${codeOf(thrown)}).`);
}

function error([kind, message]: Row, code: string, region: string): errors.UnwrapError {
  return new kind(`${message} (${code} from Decrypt in ${region}).`);
}

/** The code of a failed connection, such as ECONNREFUSED; else the error's name. */
function codeOf(thrown: unknown): string {
  const { code, name } = (thrown ?? {}) as { code?: unknown; name?: unknown };
  return [code, name].find((word): word is string => typeof word === "string" && /^\w{1,64}$/.test(word)) ?? "Error";
}
