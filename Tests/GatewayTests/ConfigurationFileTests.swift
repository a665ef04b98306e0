// config/drover.yaml says what the program does: the same settings in the same order with the same defaults and ranges.
import Testing

@testable import Gateway

/// A setting as the file shows it, read without the YAML parser that the gateway uses.
private struct ShownSetting {
    var name: String
    var value: String
    var comment: String

    /// Every setting of the file in order. The file is two levels deep and has each comment above its setting.
    static func all() throws -> [ShownSetting] {
        var found: [ShownSetting] = []
        var group = ""
        var comment: [Substring] = []
        for line in try RepositoryFile.text("config/drover.yaml").split(
            separator: "\n", omittingEmptySubsequences: false)
        {
            let text = line.drop { $0 == " " }
            guard !text.isEmpty else {
                comment = []
                continue
            }
            guard text.first != "#" else {
                comment.append(text.dropFirst().drop { $0 == " " })
                continue
            }
            let colon = try #require(text.firstIndex(of: ":"), "\(line)")
            let value = text[text.index(after: colon)...].drop { $0 == " " }
            if value.isEmpty {
                group = text[..<colon] + "."
            } else {
                if line.first != " " { group = "" }
                found.append(
                    ShownSetting(
                        name: group + text[..<colon], value: String(value), comment: comment.joined(separator: " ")))
            }
            comment = []
        }
        return found
    }
}

@Suite struct ConfigurationFileTests {
    @Test func `the file parses to exactly the defaults`() throws {
        var other = Configuration()
        // Every value differs from its default first, so that a setting the file forgets shows.
        for setting in Settings.all() { try setting.apply(&other, anotherValue(of: setting)) }
        try other.apply(yaml: RepositoryFile.text("config/drover.yaml"), name: "drover.yaml")
        #expect(other == Configuration())
        let path = RepositoryFile.path("config/drover.yaml")
        #expect(try Configuration.load(file: path, environment: [:]) == Configuration())
    }

    @Test func `the file holds every setting and no other, in the table's order, each with a comment`() throws {
        let shown = try ShownSetting.all()
        #expect(shown.map(\.name) == Settings.all().map(\.name))
        for setting in shown { #expect(!setting.comment.isEmpty, "\(setting.name)") }
    }

    @Test func `the file writes each default as the table does`() throws {
        for (shown, setting) in zip(try ShownSetting.all(), Settings.all()) {
            #expect(shown.value == setting.show(Configuration()), "\(setting.name)")
        }
    }

    @Test func `the range in a comment is the range that is accepted`() throws {
        let ranges = try ShownSetting.all().compactMap { shown in
            shown.comment.firstMatch(of: #/\b(\d+) to (\d+)\b/#).map { (shown.name, $0.1, $0.2) }
        }
        #expect(ranges.map(\.0) == Settings.all().filter { !$0.unit.isEmpty }.map(\.name))
        for (name, lowest, highest) in ranges {
            let setting = try #require(Settings.all().first { $0.name == name })
            var configuration = Configuration()
            for inside in [String(lowest), String(highest)] {
                #expect(throws: Never.self, "\(name): \(inside)") { try setting.apply(&configuration, inside) }
            }
            for outside in ["\((Int(lowest) ?? 0) - 1)", "\((Int(highest) ?? 0) + 1)"] {
                #expect(throws: SettingError.self, "\(name): \(outside)") { try setting.apply(&configuration, outside) }
            }
        }
    }

    @Test func `the comment names the unit`() throws {
        let words = [
            "s": "seconds", "ms": "milliseconds", "MiB": "MiB", "days": "days", "rows": "rows", "m": "metres",
            "m/s": "m/s", "subjects": "subjects",
        ]
        for (shown, setting) in zip(try ShownSetting.all(), Settings.all()) where !setting.unit.isEmpty {
            // A unit that is a plural, or a rate of one, is its own word.
            let isItsOwnWord = setting.unit.contains("/") || setting.unit.count > 4
            let word = try #require(
                words[setting.unit] ?? (isItsOwnWord ? setting.unit : nil),
                "\(setting.name) has a unit without a word")
            #expect(shown.comment.lowercased().contains(word.lowercased()), "\(setting.name)")
        }
    }
}

/// A value of the setting that the gateway would start with and that is not its default.
func anotherValue(of setting: Setting) throws -> String {
    let candidates = [
        "127.0.0.1:4321", "another {id}", "another {user}", "another {client} {endpoint}", "false", "true", "debug",
        "1", "2", "40", "100", "sharded", "lat, lng, seen=recorded_at:iso",
    ]
    return try #require(
        candidates.first { candidate in
            let override = "\(setting.name)=\(candidate)"
            let other = try? Configuration.load(file: nil, environment: [:], overrides: [override])
            return other.map { $0 != Configuration() } ?? false
        }, "no other value of \(setting.name) is known here")
}
