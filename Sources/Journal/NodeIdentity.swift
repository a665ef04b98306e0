// The name under which Postgres remembers how far this journal's records have come.

/// A random 128-bit id, kept as 32 hexadecimal digits in the file `node-id`.
enum NodeIdentity {
    /// Reads the id; makes and keeps one where there is none.
    static func loadOrCreate(
        in fileSystem: any JournalFileSystem, accepted: [String]
    ) throws(JournalError) -> String {
        do throws(FileError) {
            let isThere = try fileSystem.list().contains(FileNames.nodeID)
            if isThere, let id = parse(try fileSystem.contents(of: FileNames.nodeID)) { return id }
            // With a new id Postgres starts from nothing and the whole journal is stored again, each row once by its primary
            // key: safe, but for a person to decide.
            if !isThere || accepted.contains(FileNames.nodeID) {
                let id = hexadecimal(fileSystem.entropy()) + hexadecimal(fileSystem.entropy())
                try fileSystem.install(FileNames.nodeID, Array((id + "\n").utf8))
                return id
            }
        } catch {
            throw fileSystem.journalError(error)
        }
        throw .corruptFile(file: fileSystem.path(FileNames.nodeID), reason: "does not hold 32 hexadecimal digits")
    }

    private static func parse(_ bytes: [UInt8]) -> String? {
        let text = String(decoding: bytes, as: UTF8.self)
        let id = text.hasSuffix("\n") ? String(text.dropLast()) : text
        return id.utf8.count == 32 && id.utf8.allSatisfy(isHexadecimal) ? id : nil
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool { (48...57).contains(byte) || (97...102).contains(byte) }

    private static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
