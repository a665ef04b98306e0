// Where settings come from, which of them wins, and what is said of wrong ones.
import Foundation
import Testing

@testable import Gateway

@Suite struct ConfigurationTests {
    // MARK: Sources

    @Test func `every setting can be given in the file, by its variable and by a flag`() throws {
        for setting in Settings.all() {
            let value = try anotherValue(of: setting)
            var expected = Configuration()
            try setting.apply(&expected, value)
            #expect(try load(yaml: "\(setting.name): \"\(value)\"") == expected, "\(setting.name)")
            #expect(
                try Configuration.load(file: nil, environment: [setting.environmentVariable: value]) == expected,
                "\(setting.environmentVariable)")
            #expect(
                try Configuration.load(file: nil, environment: [:], overrides: ["\(setting.name)=\(value)"])
                    == expected,
                "--set \(setting.name)")
        }
    }

    @Test func `a variable is the setting's name in capitals`() {
        let variables = Settings.all().map(\.environmentVariable)
        #expect(variables.contains("DROVER_LISTEN"))
        #expect(variables.contains("DROVER_REDIS_LOCATION_TTL_S"))
        #expect(Set(variables).count == variables.count)
    }

    @Test func `the environment wins over the file, a flag over both, a later flag over an earlier one`() throws {
        let file = "live:\n  tick_ms: 30\n  stale_s: 31\n  subjects_per_key: 32\n"
        let environment = ["DROVER_LIVE_STALE_S": "41", "DROVER_LIVE_SUBJECTS_PER_KEY": "42"]
        let configuration = try load(
            yaml: file, environment: environment,
            overrides: ["live.subjects_per_key=51", "live.subjects_per_key=52"])
        #expect(configuration.liveTickMilliseconds == 30)
        #expect(configuration.liveStaleSeconds == 41)
        #expect(configuration.liveSubjectsPerKey == 52)
    }

    @Test func `other variables are no settings`() throws {
        let environment = ["DROVER_KEY": "drk_x", "PATH": "/bin", "REDIS_URL": "redis://elsewhere"]
        #expect(try Configuration.load(file: nil, environment: environment) == Configuration())
    }

    @Test(arguments: ["", "# only a comment\n"])
    func `an empty file changes nothing`(yaml: String) throws {
        #expect(try load(yaml: yaml) == Configuration())
    }

    @Test(arguments: ["true", "yes", "on", "1", "TRUE"]) func `a flag that is on`(word: String) throws {
        #expect(try load(yaml: "judge.reject_mock: \(word)").judgeRejectMock)
    }

    @Test(arguments: ["false", "no", "off", "0"]) func `a flag that is off`(word: String) throws {
        #expect(try !load(yaml: "history.migrate: \(word)").historyMigrate)
    }

    // MARK: Refusals

    @Test(arguments: [
        (
            "listen: 127.0.0.1:1\nredis:\n  ulr: x\n",
            "drover.yaml:3: no setting is called redis.ulr; did you mean redis.url?"
        ),
        ("colour: blue\n", "drover.yaml:1: no setting is called colour"),
        (
            "live:\n  tick_ms: 0\n",
            "drover.yaml:2: live.tick_ms is a whole number from 1 to 1000 (ms), not \"0\""
        ),
        (
            "\njudge.maximum_speed_mps: fast\n",
            "drover.yaml:2: judge.maximum_speed_mps is a number from 1.0 to 1000.0 (m/s), not \"fast\""
        ),
        ("history.migrate: perhaps\n", "drover.yaml:1: history.migrate is true or false, not \"perhaps\""),
        (
            "log: {level: loud}\n",
            "drover.yaml:1: log.level is one of trace, debug, info, notice, warning, error, critical, not \"loud\""
        ),
        ("listen: [a, b]\n", "drover.yaml:1: listen is one value, not a list or a map"),
        ("- listen\n", "drover.yaml: expected a map of settings"),
        ("listen: nowhere\n", "listen is ADDRESS:PORT such as 127.0.0.1:8080, not \"nowhere\""),
        ("redis.geo_key: a\nredis: {geo_key: b}\n", "drover.yaml:2: redis.geo_key stands twice. Keep one of them"),
        ("redis.location_key: \"driver\"\n", "redis.location_key must hold {id} once"),
        ("redis.location_channel: \"{id}{id}\"\n", "redis.location_channel must hold {id} once"),
        ("live: {stale_s: 120, offline_s: 120}\n", "live.stale_s must be less than live.offline_s"),
        (
            "journal: {limit_mib: 31, segment_mib: 16}\n",
            "journal.limit_mib must be at least twice journal.segment_mib"
        ),
    ])
    func `a wrong file is refused with the place and what is expected there`(yaml: String, line: String) {
        #expect(refusal { try load(yaml: yaml) } == line)
    }

    @Test func `a wrong variable or flag is named`() {
        #expect(
            refusal { try Configuration.load(file: nil, environment: ["DROVER_WEB_HEARTBEAT_S": "1e3"]) }
                == "DROVER_WEB_HEARTBEAT_S: web.heartbeat_s is a whole number from 1 to 600 (s), not \"1e3\"")
        #expect(
            refusal { try Configuration.load(file: nil, environment: [:], overrides: ["live.tick=3"]) }
                == "--set live.tick: no setting is called that; did you mean live.tick_ms?")
        #expect(
            refusal { try Configuration.load(file: nil, environment: [:], overrides: ["live.tick_ms=-1"]) }
                == "--set live.tick_ms: live.tick_ms is a whole number from 1 to 1000 (ms), not \"-1\"")
        #expect(
            refusal { try Configuration.load(file: nil, environment: [:], overrides: ["listen"]) }
                == "--set listen: expected name=value, such as listen=127.0.0.1:8080")
    }

    @Test func `a file that cannot be read is named`() {
        #expect(
            refusal { try Configuration.load(file: "/nonexistent/drover.yaml", environment: [:]) }
                == "cannot read /nonexistent/drover.yaml. Give the path of a YAML file with --config")
    }

    // MARK: Secrets

    @Test(arguments: [
        "redis:\n  url: \"redis://user:s3cret@host\n",
        "redis:\n  url: redis://user:s3cret@host\n\t- x\n",
        "postgres:\n  url: [postgresql://user:s3cret@host/db]\n",
        "postgres: {url: postgresql://user:s3cret@host/db\n",
        "postgres: postgresql://user:s3cret@host/db\n",
        "postgres:\n  url: x\n  url: postgresql://user:s3cret@host/db\n",
        "redis.ulr: redis://user:s3cret@host\n",
        "redis.url: *s3cret\n",
        "redis://user:s3cret@host\n",
    ])
    func `no refusal of a file quotes a password`(yaml: String) throws {
        let text = try #require(refusal { try load(yaml: yaml) })
        #expect(!text.contains("s3cret"), "\(text)")
    }

    @Test(arguments: [
        "redis.url:redis://user:s3cret@host", "redis.ulr=redis://user:s3cret@host",
        "log.level:x=redis://user:s3cret@host",
    ])
    func `no refusal of a flag quotes a password`(override: String) throws {
        let text = try #require(
            refusal { try Configuration.load(file: nil, environment: [:], overrides: [override]) })
        #expect(!text.contains("s3cret"), "\(text)")
    }

    @Test(arguments: ["rediss://user:s3cret@host", "redis://user:s3cret@host:port", "http://user:s3cret@host"])
    func `no refusal of a Redis address quotes its password`(url: String) throws {
        let (lines, isWell) = try Configuration.load(
            file: nil, environment: ["DROVER_REDIS_URL": url, "DROVER_POSTGRES_URL": "postgresql://user:s3cret@[host"]
        ).check()
        #expect(!isWell)
        #expect(lines.contains { $0.hasPrefix("FAIL  redis: ") })
        #expect(lines.contains { $0.hasPrefix("FAIL  postgres: ") })
        for line in lines { #expect(!line.contains("s3cret"), "\(line)") }
    }
}

/// Loads a configuration whose file holds `yaml`.
private func load(
    yaml: String, environment: [String: String] = [:], overrides: [String] = []
) throws -> Configuration {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).yaml").path
    try yaml.write(toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    do {
        return try Configuration.load(file: path, environment: environment, overrides: overrides)
    } catch let error as ConfigurationError {
        // The messages name the file; the tests know it by one name.
        throw Refusal(line: error.description.replacingOccurrences(of: path, with: "drover.yaml"))
    }
}

private struct Refusal: Error {
    let line: String
}

/// What `body` is refused with; nil where it is not.
private func refusal(_ body: () throws -> Configuration) -> String? {
    do {
        _ = try body()
        return nil
    } catch let error as Refusal {
        return error.line
    } catch {
        return "\(error)"
    }
}
