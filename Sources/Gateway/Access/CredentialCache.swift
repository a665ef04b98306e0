/// The hashes of known credentials, in a file beside the journal, so that they work across a restart without Postgres.
import Foundation
import Tracking

/// Reads and writes the file. A line a credential: hash, id, driver or `-`, permissions; no token is in it.
struct CredentialCache {
    private let path: String

    init(directory: String) {
        path = directory + "/credentials"
    }

    /// What was known; nothing where the file is missing or not ours.
    func load() -> [String: Credential] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [:] }
        var known: [String: Credential] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 4, parts[0].utf8.count == 64 else { continue }
            let permissions = parts[3].split(separator: ",").compactMap { Permission(rawValue: String($0)) }
            known[parts[0]] = Credential(
                id: parts[1], driver: parts[2] == "-" ? nil : parts[2], permissions: Set(permissions))
        }
        return known
    }

    /// Replaces the file. A failure costs only the convenience after a restart, so it is not an error.
    func store(_ known: [String: Credential]) {
        let lines = known.map { hash, credential in
            var driver = "-"
            if case .device(let id) = credential.party { driver = id.string }
            let permissions = credential.permissions.map(\.rawValue).sorted().joined(separator: ",")
            return "\(hash)\t\(credential.id)\t\(driver)\t\(permissions)\n"
        }
        let data = Data(lines.sorted().joined().utf8)
        try? data.write(to: URL(fileURLWithPath: path), options: .atomic)
        try? FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    }
}
