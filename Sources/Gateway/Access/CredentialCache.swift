/// The hashes of known credentials, in a file beside the journal, so that they work across a restart without Postgres.
import Foundation
import Tracking

/// Reads and writes the file. A line a credential, in the order they were learned, the last one of a hash counts; no token
/// is in it. Lines are appended, so that five thousand viewers who log in cost five thousand short writes, and the file is
/// written anew once most of it is history. A failure costs only the convenience after a restart, so it is no error.
/// Lives on the loop's thread.
final class CredentialCache {
    /// Stands for the scope of a credential that has none.
    private static let everything = "*"

    private let path: String
    private var descriptor: Int32 = -1
    private var lines = 0
    /// Drivers that no line may name.
    var withheld: Set<DriverID> = []

    /// `name` is the file's in the journal's directory.
    init(directory: String, name: String = "credentials") {
        path = "\(directory)/\(name)"
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// What was known and has not ended by `now`; nothing where the file is missing or not ours. Lines of earlier versions,
    /// which had no scope, are left out: those credentials are asked for again.
    func load(now: Microseconds) -> [String: Credential] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [:] }
        var known: [String: Credential] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard let hash = parts.first, hash.utf8.count == 64 else { continue }
            known[hash] = Self.credential(parts)
        }
        known = known.filter { !$0.value.hasExpired(by: now) }
        rewrite(known)
        return known
    }

    /// Adds credentials, or what they have become.
    func add(_ learned: [(hash: String, credential: Credential)]) {
        append(learned.compactMap { line($0.hash, $0.credential) })
    }

    /// Takes a credential out.
    func remove(_ hash: String) {
        append(["\(hash)\t-\n"])
    }

    /// Writes the file anew where most of it is about what is no longer in `known`.
    func compact(_ known: [String: Credential]) {
        if isMostlyHistory(of: known.count) { rewrite(known) }
    }

    /// Whether most of the file is about what is no longer among so many that are known.
    func isMostlyHistory(of count: Int) -> Bool { lines > max(1_000, count * 2) }

    private func append(_ added: [String]) {
        if descriptor < 0 { descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600) }
        guard descriptor >= 0, !added.isEmpty else { return }
        lines += added.count
        let bytes = Array(added.joined().utf8)
        // A torn line at the end of a full disk is not loaded, nor is the one behind it.
        _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }

    /// Writes the file anew; false where that failed and the old one is still there.
    @discardableResult
    func rewrite(_ known: [String: Credential]) -> Bool {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        let whole = known.compactMap { line($0.key, $0.value) }
        let new = path + ".new"
        let created = open(new, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0o600)
        guard created >= 0 else { return access(path, F_OK) != 0 }
        let bytes = Array(whole.joined().utf8)
        let written = bytes.withUnsafeBytes { write(created, $0.baseAddress, $0.count) }
        close(created)
        guard written == bytes.count, rename(new, path) == 0 else { return false }
        lines = whole.count
        return true
    }

    // MARK: Lines

    private func line(_ hash: String, _ credential: Credential) -> String? {
        if !withheld.isEmpty, credential.names(one: withheld) { return nil }
        let party =
            switch credential.party {
            case .backend: "backend"
            case .viewer: "viewer"
            case .device(let driver): "device=\(driver.string)"
            }
        let permissions = credential.permissions.map(\.rawValue).sorted().joined(separator: ",")
        // No subject's name holds a space.
        let scope = credential.scope?.names.joined(separator: " ") ?? Self.everything
        let expiry = credential.expiresAt.map { "\($0)" } ?? ""
        var parts = [hash, credential.id, party, permissions, scope, expiry, "\(credential.precisionMetres)"]
        if credential.userID != nil || credential.quota != nil {
            parts.append(credential.userID ?? "")
            parts.append(credential.quota.map { "\($0.requests)/\($0.periodMilliseconds)" } ?? "")
        }
        guard parts.allSatisfy({ !$0.utf8.contains(9) && !$0.utf8.contains(10) }) else { return nil }
        return parts.joined(separator: "\t") + "\n"
    }

    /// Nil where the line takes a credential out or is not ours.
    private static func credential(_ parts: [String]) -> Credential? {
        // The last two are there where a platform's credential has a user or a limit of its own.
        guard parts.count == 7 || parts.count == 9, let precision = Int32(parts[6]) else { return nil }
        let party: Credential.Party
        switch parts[2] {
        case "backend": party = .backend
        case "viewer": party = .viewer
        default:
            guard parts[2].hasPrefix("device="), let driver = DriverID(String(parts[2].dropFirst("device=".count)))
            else { return nil }
            party = .device(driver)
        }
        var scope: SubjectScope?
        if parts[4] != everything {
            guard let known = SubjectScope(parts[4].split(separator: " ").map(String.init)) else { return nil }
            scope = known
        }
        var expiry: Microseconds?
        if !parts[5].isEmpty {
            guard let known = Microseconds(parts[5]) else { return nil }
            expiry = known
        }
        var quota: RequestQuota?
        if parts.count == 9, !parts[8].isEmpty {
            let numbers = parts[8].split(separator: "/").compactMap { Int64($0) }
            guard numbers.count == 2, let known = RequestQuota(requests: numbers[0], periodMilliseconds: numbers[1])
            else { return nil }
            quota = known
        }
        let user = parts.count == 9 && !parts[7].isEmpty ? parts[7] : nil
        let permissions = parts[3].split(separator: ",").compactMap { Permission(rawValue: String($0)) }
        return Credential(
            id: parts[1], party: party, permissions: Set(permissions), scope: scope, expiresAt: expiry,
            precisionMetres: precision, userID: user, quota: quota)
    }
}

extension Credential {
    /// Whether one of the drivers is its own or stands in its scope.
    func names(one drivers: Set<DriverID>) -> Bool {
        if case .device(let driver) = party, drivers.contains(driver) { return true }
        guard let scope else { return false }
        return drivers.contains { scope.names.contains("driver:" + $0.string) }
    }
}
