/// What gateways that share a Redis tell each other beside positions: what was revoked, which order or group has other
/// drivers now, which driver is in service or no longer, that an erasure has come further, and that they are there. But for
/// the last it is for speed alone: whatever is told is in Postgres already, and whoever missed it finds it there at the
/// next look, every `access.refresh_s`.
import Foundation
import Tracking

/// One message on the control channel.
enum ControlMessage: Equatable {
    /// The longest one.
    static let maximumBytes = 64 << 10

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

    /// A gateway has come.
    case joined(String)
    /// A gateway is there, and wants to be told who enters these cells of the map.
    case here(String, cells: [String])
    /// A gateway has ended.
    case left(String)

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
        case .joined(let id):
            writer.raw("{\"joined\":")
            writer.string(id)
        case .here(let id, let cells):
            writer.raw("{\"here\":")
            writer.string(id)
            for (offset, cell) in cells.enumerated() {
                writer.raw(offset == 0 ? ",\"cells\":[" : ",")
                writer.string(cell)
            }
            if !cells.isEmpty { writer.raw("]") }
        case .left(let id):
            writer.raw("{\"left\":")
            writer.string(id)
        }
        writer.raw("}")
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// Nil where it is no message of this version.
    init?(_ payload: [UInt8]) {
        guard payload.count <= Self.maximumBytes,
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
        } else if let id = members["joined"] as? String {
            self = .joined(id)
        } else if let id = members["here"] as? String {
            self = .here(id, cells: members["cells"] as? [String] ?? [])
        } else if let id = members["left"] as? String {
            self = .left(id)
        } else {
            return nil
        }
    }
}
