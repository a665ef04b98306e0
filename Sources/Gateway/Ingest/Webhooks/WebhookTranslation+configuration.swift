/// Reads `system.incoming.NAME`. Every error names the member and says what is expected there.
import Foundation
import Tracking

extension WebhookTranslation {
    private static let members = [
        "driver", "driver_statement", "lat", "lng", "recorded_at", "accuracy", "accuracy_default_m", "speed", "heading",
        "altitude", "source", "event", "platform", "key", "ttl_s", "signature_header", "signature_secret_env",
    ]
    private static let speeds = ["mps": 1, "kmh": 1 / 3.6, "mph": 1_609.344 / 3_600, "kn": 1_852.0 / 3_600]
    private static let times = ["ms": 1.0, "s": 1_000, "iso": 1]

    /// All webhooks by their names. `environment` holds the secrets.
    static func all(
        _ system: SystemConfiguration, environment: [String: String]
    ) throws -> [String: WebhookTranslation] {
        try Dictionary(
            uniqueKeysWithValues: system.incoming.map { name, webhook in
                let reader = Reader(name: name, members: webhook.members)
                return (name, try WebhookTranslation(reader, system, environment: environment))
            })
    }

    private init(_ reader: Reader, _ system: SystemConfiguration, environment: [String: String]) throws {
        for member in reader.members.keys.sorted() where !Self.members.contains(member) {
            throw reader.error(member, "is not known; there are \(Self.members.joined(separator: ", "))")
        }
        driver = try reader.path("driver")
        driverStatement = reader.members["driver_statement"]
        if let name = driverStatement {
            guard let statement = system.statements[name] else {
                throw reader.error("driver_statement", "names no statement of system.statements")
            }
            guard statement.parameters.allSatisfy({ ["driver", "platform"].contains($0) }) else {
                throw reader.error("driver_statement", "names a statement with {driver} and {platform} alone")
            }
        }
        latitude = try reader.path("lat")
        longitude = try reader.path("lng")
        recordedAt = try reader.measure("recorded_at", Self.times)
        accuracy = try reader.optionalPath("accuracy")
        defaultAccuracy = try reader.number("accuracy_default_m")
        speed = try reader.members["speed"] == nil ? nil : reader.measure("speed", Self.speeds)
        heading = try reader.optionalPath("heading")
        altitude = try reader.optionalPath("altitude")
        source = try reader.members["source"].map { text in
            guard let source = PingSource.allCases.first(where: { "\($0.name)" == text }) else {
                throw reader.error("source", "is gps, network, fused or manual")
            }
            return source
        }
        event = try reader.path("event")
        platform = try reader.members["platform"].map { text in
            if text.hasPrefix("'"), text.hasSuffix("'"), text.count >= 2 {
                return .constant(String(text.dropFirst().dropLast()))
            }
            return .path(try reader.path("platform"))
        }
        key = reader.members["key"] ?? "webhook:{platform}:{event}"
        guard key.components(separatedBy: "{event}").count == 2, key.components(separatedBy: "{platform}").count <= 2
        else { throw reader.error("key", "is a key that holds {event} once, and {platform} once or not at all") }
        if platform == nil, key.contains("{platform}") {
            throw reader.error("key", "holds {platform}, so platform says where that stands")
        }
        lifeSeconds = Int(try reader.number("ttl_s") ?? 3_600)
        guard (60...604_800).contains(lifeSeconds) else { throw reader.error("ttl_s", "is 60 to 604800 (s)") }
        signature = try reader.signature(environment)
    }

    /// The members of one webhook.
    private struct Reader {
        let name: String
        let members: [String: String]

        func error(_ member: String, _ expectation: String) -> ConfigurationError {
            ConfigurationError(description: "system.incoming.\(name).\(member) \(expectation)")
        }

        func path(_ member: String) throws -> Path {
            guard let path = try optionalPath(member) else {
                throw error(member, "is needed: a path such as delivery.driver.location.lat")
            }
            return path
        }

        func optionalPath(_ member: String) throws -> Path? {
            try members[member].map { try self.path($0, of: member) }
        }

        private func path(_ text: String, of member: String) throws -> Path {
            let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            guard parts.allSatisfy({ !$0.isEmpty }), parts.count <= 16 else {
                throw error(member, "is a path such as delivery.driver.location.lat, not \(text)")
            }
            return Path(parts: parts)
        }

        /// A path with a unit behind a colon; without one it is Drover's own.
        func measure(_ member: String, _ units: [String: Double]) throws -> Measure {
            guard let text = members[member] else {
                throw error(member, "is needed: a path such as delivery.driver.location.timestamp")
            }
            let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
            guard let path = parts.first, let factor = parts.count == 2 ? units[parts[1]] : 1 else {
                let known = units.keys.sorted().joined(separator: ", ")
                throw error(member, "is a path, or a path and one of the units \(known) behind a colon, not \(text)")
            }
            return Measure(path: try self.path(path, of: member), factor: factor)
        }

        func number(_ member: String) throws -> Double? {
            try members[member].map { text in
                guard let number = Double(text), number > 0, number < 1e9 else {
                    throw error(member, "is a number above 0, not \(text)")
                }
                return number
            }
        }

        func signature(_ environment: [String: String]) throws -> Signature? {
            guard let header = members["signature_header"] else {
                guard members["signature_secret_env"] == nil else {
                    throw error("signature_header", "is needed beside signature_secret_env")
                }
                return nil
            }
            guard let variable = members["signature_secret_env"] else {
                throw error(
                    "signature_secret_env", "is needed: the environment variable that holds the sender's secret")
            }
            guard let secret = environment[variable], !secret.isEmpty else {
                throw error("signature_secret_env", "names \(variable), which is not set")
            }
            return Signature(header: header.lowercased(), secret: Array(secret.utf8))
        }
    }
}
