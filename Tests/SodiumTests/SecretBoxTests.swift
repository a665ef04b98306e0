// The secret box against NaCl's own vector, and against what may happen to a box on its way.

import Testing

@testable import Sodium

@Suite struct SecretBoxTests {
    private static func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = hexadecimal.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    // tests/secretbox.c of NaCl (https://nacl.cr.yp.to/), which libsodium has too.
    private static let key = bytes("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
    private static let nonce = bytes("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
    private static let message = bytes(
        """
        be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f4\
        1db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52\
        f0a089bc76897040e082f937763848645e0705
        """)
    private static let box = bytes(
        """
        f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b\
        4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da\
        99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5
        """)

    @Test func `NaCl's vector comes out byte for byte`() {
        let secret = SecretBox(key: Self.key)
        #expect(secret.seal(Self.message, nonce: Self.nonce) == Self.nonce + Self.box)
        #expect(secret.open(Self.nonce + Self.box) == Self.message)
    }

    @Test func `a passphrase is the key, padded with zeros`() throws {
        let short = try #require(SecretBox(passphrase: "s3cret"))
        #expect(short.key == Array("s3cret".utf8) + [UInt8](repeating: 0, count: 26))
        let umlaut = try #require(SecretBox(passphrase: "schlüssel"))
        #expect(umlaut.key.prefix(10) == Array("schlüssel".utf8)[...])
        #expect(SecretBox(passphrase: String(repeating: "k", count: 32)) != nil)
        #expect(SecretBox(passphrase: String(repeating: "k", count: 33)) == nil)
        #expect(SecretBox(passphrase: "") == nil)
    }

    @Test func `what was changed on its way is not opened, wherever it was changed`() throws {
        let secret = try #require(SecretBox(passphrase: "s3cret"))
        let message = Array(#"{"_type":"location"}"#.utf8)
        let box = secret.seal(message)
        #expect(box.count == message.count + SecretBox.overhead)
        #expect(secret.open(box) == message)
        for place in box.indices {
            var changed = box
            changed[place] ^= 1
            #expect(secret.open(changed) == nil, "byte \(place)")
        }
        for length in 0..<box.count { #expect(secret.open(Array(box.prefix(length))) == nil, "\(length) bytes") }
        #expect(secret.open(box + [0]) == nil)
        #expect(SecretBox(passphrase: "S3cret")?.open(box) == nil)
    }

    @Test func `each box has a nonce of its own, and may be empty`() throws {
        let secret = try #require(SecretBox(passphrase: "s3cret"))
        let boxes = (0..<100).map { _ in secret.seal([]) }
        #expect(Set(boxes.map { Array($0.prefix(24)) }).count == boxes.count)
        #expect(boxes.allSatisfy { secret.open($0) == [] })
    }
}
