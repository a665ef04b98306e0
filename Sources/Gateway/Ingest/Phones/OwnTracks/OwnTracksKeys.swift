/// The passphrases that devices' OwnTracks encrypts with: asked of Postgres once a device, then kept, so that what is
/// encrypted is taken while Postgres is away.
import Sodium

/// See the file's head. Lives on the loop's thread.
final class OwnTracksKeys {
    /// What asking comes to.
    enum Answer {
        case key(SecretBox)
        /// The device has none.
        case none
        /// It is not known here, and Postgres cannot be asked.
        case unavailable
    }

    /// The most that are kept, of some 200 bytes each; beyond it a tenth is asked for again.
    private static let limit = 20_000

    private let store: DeviceStore
    private var known: [String: SecretBox] = [:]

    init(_ store: DeviceStore) {
        self.store = store
    }

    /// The key of a device; at once where it is known.
    func find(_ device: String, then: @escaping (Answer) -> Void) {
        if let key = known[device] { return then(.key(key)) }
        store.encryptionKey(of: device) { [weak self] answer in
            guard case .success(let passphrase) = answer else { return then(.unavailable) }
            guard let key = passphrase.flatMap({ SecretBox(passphrase: $0) }) else { return then(.none) }
            self?.learn(device, key)
            then(.key(key))
        }
    }

    /// The key is not good any more: asks again the next time.
    func forget(_ device: String) {
        known[device] = nil
    }

    private func learn(_ device: String, _ key: SecretBox) {
        if known.count >= Self.limit {
            for device in Array(known.keys.prefix(Self.limit / 10)) { known[device] = nil }
        }
        known[device] = key
    }
}
