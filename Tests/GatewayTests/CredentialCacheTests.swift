import Foundation
import Testing
import Tracking

@testable import Gateway

/// The file of known credentials, in a directory of its own.
@Suite struct CredentialCacheTests {
    private static let hashes = (0..<4).map { String(repeating: "\($0)", count: 64) }
    private let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path

    init() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    private var path: String { directory + "/credentials" }

    private func remove() {
        try? FileManager.default.removeItem(atPath: directory)
    }

    private func credentials() throws -> [String: Credential] {
        let scope = try #require(SubjectScope(["order:9f2", "area:43.6,-79.5,43.7,-79.3", "driver:east-*"]))
        let driver = try #require(DriverID("-"))
        return [
            Self.hashes[0]: Credential(id: "key", party: .backend, permissions: [.writePings, .readPositions]),
            Self.hashes[1]: Credential(
                id: "session", party: .viewer, permissions: [.readPositions], scope: scope, expiresAt: 2_000,
                precisionMetres: 250),
            Self.hashes[2]: Credential(id: "device", party: .device(driver), permissions: [.writePings]),
            Self.hashes[3]: Credential(id: "none", party: .backend, permissions: [], scope: SubjectScope([])),
        ]
    }

    @Test func `what was added is loaded as it was, until it ends`() throws {
        defer { remove() }
        let credentials = try credentials()
        CredentialCache(directory: directory).add(credentials.map { ($0.key, $0.value) })
        #expect(CredentialCache(directory: directory).load(now: 1_999) == credentials)
        var left = credentials
        left[Self.hashes[1]] = nil
        #expect(CredentialCache(directory: directory).load(now: 2_000) == left)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test func `a user and a limit of its own come back with a platform's credential`() throws {
        defer { remove() }
        let quota = try #require(RequestQuota(requests: 1_000, periodMilliseconds: 900_000))
        let credentials = [
            Self.hashes[0]: Credential(
                id: "session:1", party: .viewer, permissions: [.readPositions], scope: SubjectScope([]), userID: "u 1"),
            Self.hashes[1]: Credential(id: "key:2", party: .backend, permissions: [], quota: quota),
            Self.hashes[2]: Credential(id: "key:3", party: .backend, permissions: [], userID: "u", quota: quota),
        ]
        let cache = CredentialCache(directory: directory, name: "credentials")
        cache.add(credentials.map { ($0.key, $0.value) })
        #expect(CredentialCache(directory: directory).load(now: 0) == credentials)
        #expect(CredentialCache(directory: directory, name: "others").load(now: 0).isEmpty)
    }

    @Test func `the last line of a hash counts, and one that was taken out stays out`() throws {
        defer { remove() }
        let credentials = try credentials()
        let cache = CredentialCache(directory: directory)
        cache.add(credentials.map { ($0.key, $0.value) })
        let changed = Credential(id: "key", party: .backend, permissions: [.readHistory])
        cache.add([(Self.hashes[0], changed)])
        cache.remove(Self.hashes[2])
        let loaded = CredentialCache(directory: directory).load(now: 0)
        #expect(loaded[Self.hashes[0]] == changed)
        #expect(loaded[Self.hashes[2]] == nil)
        #expect(loaded.count == 3)
    }

    @Test func `credentials that name a driver whose registration is being erased are written nowhere`() throws {
        defer { remove() }
        let driver = try #require(DriverID("jane"))
        let scope = try #require(SubjectScope(["order:9f2", "driver:jane"]))
        let credentials = [
            Self.hashes[0]: Credential(id: "device", party: .device(driver), permissions: [.writePings]),
            Self.hashes[1]: Credential(id: "key", party: .backend, permissions: [.readPositions], scope: scope),
            Self.hashes[2]: Credential(id: "other", party: .backend, permissions: [.readPositions]),
        ]
        let cache = CredentialCache(directory: directory)
        cache.add(credentials.map { ($0.key, $0.value) })
        #expect(try String(contentsOfFile: path, encoding: .utf8).contains("jane"))
        cache.withheld = [driver]
        #expect(cache.rewrite(credentials))
        cache.add(credentials.map { ($0.key, $0.value) })
        #expect(try !String(contentsOfFile: path, encoding: .utf8).contains("jane"))
        #expect(CredentialCache(directory: directory).load(now: 0).keys.sorted() == [Self.hashes[2]])
        cache.withheld = []
        // Who loads writes the file anew, so the first one's is not the file any more.
        #expect(cache.rewrite(credentials))
        #expect(CredentialCache(directory: directory).load(now: 0) == credentials)
    }

    @Test func `lines of earlier versions, torn ones and made-up ones are left out, and hide no other`() throws {
        defer { remove() }
        let credentials = try credentials()
        let cache = CredentialCache(directory: directory)
        cache.add([(Self.hashes[0], try #require(credentials[Self.hashes[0]]))])
        let whole = try String(contentsOfFile: path, encoding: .utf8)
        let lines = [
            "\(Self.hashes[1])\tid\t-\tpings:write\n",
            whole.replacingOccurrences(of: Self.hashes[0], with: Self.hashes[2]).replacingOccurrences(
                of: "\t*\t", with: "\tnonsense\t"),
            whole, String(whole.dropLast(5)),
        ]
        try lines.joined().write(toFile: path, atomically: true, encoding: .utf8)
        // The torn line is of a credential that is known from the line before, and undoes that: it is asked for again.
        #expect(CredentialCache(directory: directory).load(now: 0).keys.sorted() == [])
        try lines.dropLast().joined().write(toFile: path, atomically: true, encoding: .utf8)
        #expect(CredentialCache(directory: directory).load(now: 0) == [Self.hashes[0]: credentials[Self.hashes[0]]])
    }

    @Test func `a file that is mostly history is written anew`() throws {
        defer { remove() }
        let credential = Credential(id: "key", party: .backend, permissions: [.readMetrics])
        let cache = CredentialCache(directory: directory)
        for _ in 0..<1_001 { cache.add([(Self.hashes[0], credential)]) }
        cache.compact([Self.hashes[0]: credential])
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.split(separator: "\n").count == 1)
        cache.add([(Self.hashes[1], credential)])
        #expect(CredentialCache(directory: directory).load(now: 0).count == 2)
    }
}

@Suite struct RecentlySeenTests {
    @Test func `a name counts for its time`() {
        var seen = RecentlySeen(seconds: 5, limit: 10)
        seen.insert("a", now: 1_000_000)
        #expect(seen.contains("a", now: 5_999_999))
        #expect(!seen.contains("a", now: 6_000_000))
        #expect(!seen.contains("b", now: 1_000_000))
    }

    @Test func `however many names come, no more are kept than fit, and those the newest`() {
        var seen = RecentlySeen(seconds: 5, limit: 100)
        for index in 0..<10_000 {
            seen.insert("\(index)", now: Microseconds(index))
            #expect(seen.count <= 100)
        }
        #expect(seen.contains("9999", now: 10_000))
        #expect(!seen.contains("0", now: 10_000))
    }
}

@Suite struct ControlMessageTests {
    @Test func `messages are read back as they were written, and others are passed over`() throws {
        for message in [
            ControlMessage.revoked("a\"b"), .assigned(try #require(Subject("order:9f2"))),
            .assigned(try #require(Subject("group:east"))), .driverState(try #require(DriverID("van-1"))),
        ] {
            #expect(ControlMessage(Array(message.text.utf8)) == message)
        }
        for text in [
            "", "{}", "[]", "{\"revoked\":1}", "{\"assigned\":\"9f2\"}", "{\"driver_state\":\"a b\"}",
            String(repeating: " ", count: 2_000),
        ] {
            #expect(ControlMessage(Array(text.utf8)) == nil, "\(text)")
        }
    }
}
