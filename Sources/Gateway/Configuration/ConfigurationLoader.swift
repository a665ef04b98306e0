/// Reads the configuration: a YAML file, overridden by `DROVER_…` variables, overridden by flags.
import Foundation
import Yams

/// Why a configuration was refused; one line that names the place and what is expected there.
public struct ConfigurationError: Error, CustomStringConvertible {
    /// The line.
    public let description: String
}

extension Configuration {
    /// Loads the configuration. `overrides` are `name=value` pairs from flags.
    public static func load(
        file: String?, environment: [String: String], overrides: [String] = []
    ) throws -> Configuration {
        var configuration = Configuration()
        if let file { try configuration.apply(file: file) }
        try configuration.apply(environment: environment)
        for override in overrides { try configuration.apply(override: override) }
        try configuration.validate()
        return configuration
    }

    /// Applies a YAML document. `name` is for messages.
    mutating func apply(yaml: String, name: String) throws {
        let node: Node?
        do {
            node = try Yams.compose(yaml: yaml)
        } catch {
            throw Self.notYAML(error, name: name)
        }
        guard let node else { return }
        let settings = Dictionary(uniqueKeysWithValues: Settings.all().map { ($0.name, $0) })
        var seen: Set<String> = []
        if let section = node.mapping?["system"] { system = try SystemConfiguration(section, file: name) }
        for (key, value) in try Self.flatten(node, prefix: "", name: name) {
            let line = value.mark.map { ":\($0.line)" } ?? ""
            guard seen.insert(key).inserted else {
                throw ConfigurationError(description: "\(name)\(line): \(key) stands twice. Keep one of them")
            }
            guard let setting = settings[key] else {
                throw ConfigurationError(
                    description: "\(name)\(line): no setting is called \(key)\(Self.suggestion(for: key))")
            }
            guard let text = value.scalar?.string else {
                throw ConfigurationError(description: "\(name)\(line): \(key) is one value, not a list or a map")
            }
            try apply(setting, text, at: "\(name)\(line)")
        }
    }

    private mutating func apply(file: String) throws {
        let yaml: String
        do {
            yaml = try String(contentsOfFile: file, encoding: .utf8)
        } catch {
            throw ConfigurationError(description: "cannot read \(file). Give the path of a YAML file with --config")
        }
        try apply(yaml: yaml, name: file)
    }

    private mutating func apply(environment: [String: String]) throws {
        let settings = Dictionary(uniqueKeysWithValues: Settings.all().map { ($0.environmentVariable, $0) })
        for (variable, value) in environment where variable.hasPrefix("DROVER_") {
            guard let setting = settings[variable] else { continue }
            try apply(setting, value, at: variable)
        }
    }

    private mutating func apply(override: String) throws {
        guard let separator = override.firstIndex(of: "=") else {
            // What stands behind a mistyped separator may be a password.
            let name = override.prefix { $0.isLetter || $0 == "." || $0 == "_" }
            throw ConfigurationError(description: "--set \(name): expected name=value, such as listen=127.0.0.1:8080")
        }
        let name = String(override[..<separator])
        guard let setting = Settings.all().first(where: { $0.name == name }) else {
            throw ConfigurationError(
                description: "--set \(name): no setting is called that\(Self.suggestion(for: name))")
        }
        try apply(setting, String(override[override.index(after: separator)...]), at: "--set \(name)")
    }

    private mutating func apply(_ setting: Setting, _ value: String, at place: String) throws {
        do {
            try setting.apply(&self, value)
        } catch {
            // A URL may hold a password; numbers and flags may be shown.
            let shown = setting.unit.isEmpty && setting.name.hasSuffix("url") ? "the value" : "\"\(value)\""
            throw ConfigurationError(
                description: "\(place): \(setting.name) is \(error.expectation), not \(shown)")
        }
    }

    /// Relations between settings.
    private func validate() throws {
        guard liveStaleSeconds < liveOfflineSeconds else {
            throw ConfigurationError(description: "live.stale_s must be less than live.offline_s")
        }
        guard journalLimitMiB >= 2 * journalSegmentMiB else {
            throw ConfigurationError(description: "journal.limit_mib must be at least twice journal.segment_mib")
        }
        for (name, template, marker) in [
            ("redis.location_key", redisLocationKey, "{id}"), ("redis.location_channel", redisLocationChannel, "{id}"),
            ("redis.eta_key", redisETAKey, "{user}"), ("limits.counter_key", limitsCounterKey, "{client}"),
            ("limits.counter_key", limitsCounterKey, "{endpoint}"),
        ] where !(name == "redis.eta_key" && template.isEmpty) && template.components(separatedBy: marker).count != 2 {
            throw ConfigurationError(description: "\(name) must hold \(marker) once")
        }
        guard arrivalsArrivedRadiusMetres < arrivalsArrivingRadiusMetres else {
            throw ConfigurationError(
                description: "arrivals.arrived_radius_m must be less than arrivals.arriving_radius_m")
        }
        for (name, layout, use) in [
            ("redis.location_fields", redisLocationFields, FieldLayout.Use.hash),
            ("webhook.fields", webhookFields, .event),
        ] {
            do {
                _ = try FieldLayout(layout, for: use)
            } catch {
                throw ConfigurationError(description: "\(name): \(error)")
            }
        }
        _ = try listenAddress()
        _ = try WorkerCount(workers)
    }

    /// The address and port of `listen`.
    func listenAddress() throws -> (address: String, port: UInt16) {
        guard let colon = listen.lastIndex(of: ":"), let port = UInt16(listen[listen.index(after: colon)...]) else {
            throw ConfigurationError(description: "listen is ADDRESS:PORT such as 127.0.0.1:8080, not \"\(listen)\"")
        }
        return (listen[..<colon].trimmingCharacters(in: CharacterSet(charactersIn: "[]")), port)
    }

    /// Where a document stops being YAML and why, in the parser's words but without the line it quotes: a URL in it may
    /// hold a password.
    private static func notYAML(_ error: any Error, name: String) -> ConfigurationError {
        let place: String
        let problem: String
        switch error as? YamlError {
        case .scanner(_, let text, let mark, _), .parser(_, let text, let mark, _), .composer(_, let text, let mark, _):
            (place, problem) = (":\(mark.line)", text)
        case .duplicatedKeysInMapping(_, let context):
            (place, problem) = (":\(context.mark.line)", "a name stands twice in the map that begins here")
        case .reader(let text, _, _, _): (place, problem) = ("", text)
        default: (place, problem) = ("", "it cannot be read")
        }
        return ConfigurationError(description: "\(name)\(place): not YAML: \(problem)")
    }

    private static func flatten(_ node: Node, prefix: String, name: String) throws -> [(String, Node)] {
        guard let mapping = node.mapping else {
            throw ConfigurationError(description: "\(name): expected a map of settings")
        }
        var found: [(String, Node)] = []
        for (key, value) in mapping {
            let path = prefix + (key.scalar?.string ?? "")
            // It is no list of settings: `SystemConfiguration` reads it.
            if path == "system" { continue }
            if value.mapping != nil {
                found += try flatten(value, prefix: path + ".", name: name)
            } else {
                found.append((path, value))
            }
        }
        return found
    }

    /// `; did you mean …` for a name that is nearly one.
    private static func suggestion(for name: String) -> String {
        let nearest = Settings.all().map { ($0.name, distance(name, $0.name)) }.min { $0.1 < $1.1 }
        guard let nearest, nearest.1 <= 4 else { return "" }
        return "; did you mean \(nearest.0)?"
    }

    /// Levenshtein's distance.
    private static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right)
        var row = Array(0...right.count)
        for (index, character) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let replaced = diagonal + (character == right[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
            }
        }
        return row[right.count]
    }
}
