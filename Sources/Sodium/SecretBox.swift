/// Messages under a passphrase that both sides know, as the OwnTracks apps encrypt theirs: libsodium's secret box, which
/// is XSalsa20 with a Poly1305 tag. Debian's libsodium does the arithmetic.
import CSodium

/// A key and what is done with it. On the wire a box is nonce (24 bytes), tag (16), ciphertext
/// (https://owntracks.org/booklet/features/encrypt/).
public struct SecretBox: Sendable {
    /// The longest passphrase, in bytes of UTF-8: it is the key itself, padded with zeros, with nothing derived from it.
    public static let maximumPassphraseBytes = Int(crypto_secretbox_KEYBYTES)
    /// How much longer a box is than its message.
    public static let overhead = Int(crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES)

    private static let nonceBytes = Int(crypto_secretbox_NONCEBYTES)

    /// Once in the process (`sodium_init`), before anything else of the library; it may be called from every thread.
    private static let isReady = sodium_init() >= 0

    let key: [UInt8]

    /// Nil where the passphrase is empty or too long.
    public init?(passphrase: String) {
        let bytes = Array(passphrase.utf8)
        guard (1...Self.maximumPassphraseBytes).contains(bytes.count) else { return nil }
        self.init(key: bytes + [UInt8](repeating: 0, count: Self.maximumPassphraseBytes - bytes.count))
    }

    /// A key of 32 bytes.
    init(key: [UInt8]) {
        precondition(key.count == Self.maximumPassphraseBytes, "a secret box has a key of 32 bytes")
        precondition(Self.isReady, "libsodium cannot be used: it finds no source of random numbers")
        self.key = key
    }

    /// A box that holds the message, under a new random nonce.
    public func seal(_ message: [UInt8]) -> [UInt8] {
        var nonce = [UInt8](repeating: 0, count: Self.nonceBytes)
        randombytes_buf(&nonce, nonce.count)
        return seal(message, nonce: nonce)
    }

    /// The same under a nonce that must never be used again with this key.
    func seal(_ message: [UInt8], nonce: [UInt8]) -> [UInt8] {
        precondition(nonce.count == Self.nonceBytes, "a nonce has 24 bytes")
        var box = [UInt8](repeating: 0, count: message.count + Int(crypto_secretbox_MACBYTES))
        // It fails for messages of more than 2^38 bytes alone, which no array here is.
        let status = crypto_secretbox_easy(&box, message, UInt64(message.count), nonce, key)
        precondition(status == 0, "crypto_secretbox_easy refuses \(message.count) bytes")
        return nonce + box
    }

    /// What a box holds; nil where it was made with another key, or changed on its way.
    public func open(_ box: [UInt8]) -> [UInt8]? {
        guard box.count >= Self.overhead else { return nil }
        let nonce = Array(box.prefix(Self.nonceBytes))
        let sealed = Array(box.dropFirst(Self.nonceBytes))
        var message = [UInt8](repeating: 0, count: box.count - Self.overhead)
        guard crypto_secretbox_open_easy(&message, sealed, UInt64(sealed.count), nonce, key) == 0 else { return nil }
        return message
    }
}
