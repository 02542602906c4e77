/** Every error of this package. A message is a fixed text: it never holds a key, a text or a part of a record. */

/** Any error of this package. `name` is the class in one word; compare it where two copies of the package are loaded. */
export class PhiError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** A record that cannot be decrypted. It never says why: the reason would help an attacker. */
export class DecryptionError extends PhiError {
  static override readonly name: string = "DecryptionError";
  constructor(message = "The record cannot be decrypted.") {
    super(message);
  }
}

/** A record that is not bound as its reader asks. The message says what was found and what to do; whoever can change records knows as much. */
export class NotBound extends DecryptionError {
  static override readonly name: string = "NotBound";
  constructor(message = "The record is genuine, and bound to no place where this call names one. Decrypt it without a context, and write it again with one.") {
    super(message);
  }
}

/** A text with a lone surrogate, which UTF-8 cannot encode. */
export class InvalidText extends PhiError {
  static override readonly name: string = "InvalidText";
  constructor(message = "The text cannot be encoded as UTF-8, or exceeds 2 GiB.") {
    super(message);
  }
}

/** A value that is not a text: a number, a date, bytes. */
export class NotText extends InvalidText {
  static override readonly name: string = "NotText";
  constructor() {
    super("Only text can be encrypted. Convert the value to text first.");
  }
}

/** A field that holds a record of this key. */
export class AlreadyEncrypted extends InvalidText {
  static override readonly name: string = "AlreadyEncrypted";
  constructor() {
    super("A field is encrypted already. It would be encrypted twice.");
  }
}

/** More bytes than AES-GCM accepts at once (2 GiB), or a context that UTF-8 cannot encode. */
export class InvalidBytes extends PhiError {
  static override readonly name: string = "InvalidBytes";
  constructor(message = "The bytes exceed 2 GiB, or their context cannot be encoded as UTF-8.") {
    super(message);
  }
}

/** A value that is no Uint8Array. */
export class NotBytes extends InvalidBytes {
  static override readonly name: string = "NotBytes";
  constructor() {
    super("Only bytes can be encrypted as bytes. For a text there is `encryptPHI`.");
  }
}

/** A data key that is not 32 bytes. */
export class InvalidDataKey extends PhiError {
  static override readonly name: string = "InvalidDataKey";
  constructor() {
    super("A data key is exactly 32 bytes.");
  }
}

/** A tenant's id that is empty or no text in UTF-8; a number is converted by the caller, always in the same way. */
export class InvalidTenant extends PhiError {
  static override readonly name: string = "InvalidTenant";
  constructor() {
    super("The id of a tenant is a text that is not empty: forTenant(String(clinic.id)).");
  }
}

/** AWS KMS did not return the data key. It is transient or terminal: see the two classes below. */
export class UnwrapError extends PhiError {
  static override readonly name: string = "UnwrapError";

  /** The reason in one word, as `python -m eonpro_phi prove` prints it. */
  get reason(): string {
    return this.name;
  }

  /** Whether a cached key may stay in use for a while. */
  get transient(): boolean {
    return this instanceof TransientUnwrapError;
  }

  /** The same error with a stack of its own: one caller's frames are not shown to another. @internal */
  copy(): UnwrapError {
    return new (this.constructor as new (message: string) => UnwrapError)(this.message);
  }
}

/** KMS made no decision: a cached key stays in use for an hour. */
export class TransientUnwrapError extends UnwrapError {
  static override readonly name: string = "TransientUnwrapError";
}

/** KMS denied the request, or the key is not the expected one: a cached key is dropped at once. */
export class TerminalUnwrapError extends UnwrapError {
  static override readonly name: string = "TerminalUnwrapError";
}

/** A synchronous function was called before the key was there: `withKey` or `startWithKey` is missing. */
export class KeyNotLoaded extends TransientUnwrapError {
  static override readonly name: string = "KeyNotLoaded";
  constructor(message = "The data key is not loaded. Put withKey() around this handler, and call startWithKey() in register().") {
    super(message);
  }
}

/** An environment variable is not set or empty. */
export class MissingVariable extends TerminalUnwrapError {
  static override readonly name: string = "MissingVariable";
}
/** An environment variable has a value of another form than expected. */
export class MalformedVariable extends TerminalUnwrapError {
  static override readonly name: string = "MalformedVariable";
}
/** AWS does not accept the credentials: unknown, expired or wrongly signed. */
export class BadCredentials extends TerminalUnwrapError {
  static override readonly name: string = "BadCredentials";
}
/** No AWS credentials are available now: the metadata or token service returned none. */
export class NoCredentials extends TransientUnwrapError {
  static override readonly name: string = "NoCredentials";
  override get reason(): string {
    return BadCredentials.name; // the reader has the same things to check
  }
}
/** The principal is not allowed to use the key, or to see the key that wrapped the data key. */
export class AccessDenied extends TerminalUnwrapError {
  static override readonly name: string = "AccessDenied";
}
/** No such KMS key in this account and Region. */
export class NotFound extends TerminalUnwrapError {
  static override readonly name: string = "NotFound";
}
/** The KMS key exists but is disabled, pending deletion or not usable now. */
export class Disabled extends TerminalUnwrapError {
  static override readonly name: string = "Disabled";
}
/** The wrapped key is corrupted or truncated, or it was wrapped with an encryption context. */
export class InvalidCiphertext extends TerminalUnwrapError {
  static override readonly name: string = "InvalidCiphertext";
}
/** The wrapped key was wrapped by another KMS key than AWS_KMS_KEY_ID. */
export class WrongKey extends TerminalUnwrapError {
  static override readonly name: string = "WrongKey";
}
/** The wrapped key can be decrypted, but holds something else than 32 bytes. */
export class WrongLength extends TerminalUnwrapError {
  static override readonly name: string = "WrongLength";
}
/** The wrapped key opens to another key than the one whose check value the environment has. */
export class WrongKeyCheckValue extends TerminalUnwrapError {
  static override readonly name: string = "WrongKeyCheckValue";
}
/** The endpoint did not answer in time, or not at all. */
export class Unreachable extends TransientUnwrapError {
  static override readonly name: string = "Unreachable";
}
/** The response is not one of KMS: it cannot be read, or has no key in it. A proxy may have answered. */
export class InvalidResponse extends TransientUnwrapError {
  static override readonly name: string = "InvalidResponse";
}
/** AWS throttles these requests. */
export class Throttled extends TransientUnwrapError {
  static override readonly name: string = "Throttled";
}
/** AWS rejected the request with a code that has no class of its own here. */
export class RequestRejected extends TerminalUnwrapError {
  static override readonly name: string = "RequestRejected";
}
