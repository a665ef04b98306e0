/// What gateways that share a Redis tell each other: what was revoked, which order or group has other drivers now,
/// which driver is in service or no longer, and that an erasure has come further. It is for speed alone: whatever is told
/// here is in Postgres already, and whoever missed it finds it there at the next look, every `access.refresh_s`.
import EventLoop
import Foundation
import RedisClient
import Tracking

/// See the file's head. Lives on the loop's thread.
final class ControlBus {
    /// Redis' channels know no databases: other Drovers of one server hear it too, and find nothing of theirs in it.
    static let channel = "drover:control"

    /// One message.
    enum Message: Equatable {
        /// The credential with this id is no longer valid.
        case revoked(String)
        /// The order or group has other drivers.
        case assigned(Subject)
        /// Something happened to the order: it is in Postgres.
        case happened(Subject)
        /// The driver was put into service or out of it.
        case driverState(DriverID)
        /// The erasure with this id was asked for, has come further, or is done. The driver is not named.
        case erasure(String)

        /// The message as it is on the channel.
        var text: String {
            var writer = JSONWriter()
            switch self {
            case .revoked(let id):
                writer.raw("{\"revoked\":")
                writer.string(id)
            case .assigned(let subject):
                writer.raw("{\"assigned\":")
                writer.string(subject.name)
            case .happened(let subject):
                writer.raw("{\"happened\":")
                writer.string(subject.name)
            case .driverState(let driver):
                writer.raw("{\"driver_state\":")
                writer.id(driver)
            case .erasure(let id):
                writer.raw("{\"erasure\":")
                writer.string(id)
            }
            writer.raw("}")
            return String(decoding: writer.bytes, as: UTF8.self)
        }

        /// Nil where it is no message of this version.
        init?(_ payload: [UInt8]) {
            guard payload.count <= 1_024,
                let members = try? JSONSerialization.jsonObject(with: Data(payload)) as? [String: Any]
            else { return nil }
            if let id = members["revoked"] as? String {
                self = .revoked(id)
            } else if let subject = (members["assigned"] as? String).flatMap({ Subject($0) }) {
                self = .assigned(subject)
            } else if let subject = (members["happened"] as? String).flatMap({ Subject($0) }) {
                self = .happened(subject)
            } else if let driver = (members["driver_state"] as? String).flatMap({ DriverID($0) }) {
                self = .driverState(driver)
            } else if let id = members["erasure"] as? String {
                self = .erasure(id)
            } else {
                return nil
            }
        }
    }

    private let redis: () -> RedisConnection?
    private var subscriber: RedisSubscriber?
    /// A message came, perhaps one of this process.
    private let received: (Message) -> Void
    /// The bus is back, and what was told meanwhile was missed.
    var onReturn: (() -> Void)?

    /// `redis` gives the connection to publish over.
    init(
        loop: EventLoop, address: RedisAddress, redis: @escaping () -> RedisConnection?,
        received: @escaping (Message) -> Void
    ) {
        self.redis = redis
        self.received = received
        subscriber = RedisSubscriber(loop: loop, address: address, channel: Self.channel) {
            [unowned self] isSubscribed in
            if isSubscribed { onReturn?() }
        } received: { [unowned self] payload in
            if let message = Message(payload) { self.received(message) }
        }
    }

    /// Whether messages of other gateways arrive now.
    var isConnected: Bool { subscriber?.isSubscribed == true }

    /// Tells the others, if Redis is there.
    func publish(_ message: Message) {
        guard let redis = redis(), redis.isReady else { return }
        var commands = RedisCommands()
        commands.command(["PUBLISH", Self.channel, message.text])
        redis.send(commands)
    }

    func close() {
        subscriber?.close()
    }
}
