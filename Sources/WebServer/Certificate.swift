/// The server's certificate: two PEM files, read by libwebsockets, looked after by us.
import CLibwebsockets
import Glibc

/// A certificate chain and its private key, as files.
public struct CertificateFiles: Sendable {
    let chain: String
    let key: String

    /// Names the files; throws where one of them cannot be read.
    public init(chain: String, key: String) throws(WebServerError) {
        self.chain = chain
        self.key = key
        for (path, setting) in [(chain, "web.tls_certificate"), (key, "web.tls_key")] {
            guard !path.isEmpty else {
                throw WebServerError(
                    description: "\(setting) is empty: TLS needs both web.tls_certificate and web.tls_key. "
                        + "Set both, or neither where a proxy in front has TLS")
            }
            guard access(path, R_OK) == 0 else {
                let reason = String(cString: strerror(errno))
                throw WebServerError(
                    description: "cannot read \(path): \(reason). Correct \(setting), or let this user read the file")
            }
        }
    }

    /// When the files were last changed, and which ones they are; nil while one of them is away.
    var stamp: [Int]? {
        var stamp: [Int] = []
        for path in [chain, key] {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            stamp += [Int(status.st_ino), status.st_mtim.tv_sec, status.st_mtim.tv_nsec, Int(status.st_size)]
        }
        return stamp
    }
}

/// Reads the certificate again when its files change.
struct CertificateWatch {
    private let files: CertificateFiles
    private var stamp: [Int]?
    private var kind: Int32

    init(_ files: CertificateFiles) throws(WebServerError) {
        self.files = files
        stamp = files.stamp
        kind = try files.check()
    }

    /// What came of a look.
    enum Outcome {
        case unchanged
        case renewed
        /// The old certificate stays in use; the next look tries again once the files have changed.
        case unusable(String)
    }

    /// Looks whether the files have changed, and gives them to the library where they have and are sound.
    mutating func look(_ context: OpaquePointer) -> Outcome {
        guard let now = files.stamp, now != stamp else { return .unchanged }
        stamp = now
        do {
            // OpenSSL would keep the old certificate beside one of another kind, and go on choosing it.
            guard try files.check() == kind else {
                return .unusable("the changed certificate has another kind of key: restart to use it")
            }
        } catch {
            return .unusable("\(error). The certificate of before stays in use")
        }
        guard lws_tls_cert_updated(context, files.chain, files.key, nil, 0, nil, 0) == 0 else {
            return .unusable("the changed certificate cannot be used. The certificate of before stays in use")
        }
        return .renewed
    }
}

extension CertificateFiles {
    /// Whether the files are PEM and belong together, which libwebsockets does not look at; the key's kind (an OpenSSL
    /// `EVP_PKEY` number).
    fileprivate func check() throws(WebServerError) -> Int32 {
        guard let context = SSL_CTX_new(TLS_server_method()) else {
            throw WebServerError(description: "OpenSSL has no memory for a certificate")
        }
        defer { SSL_CTX_free(context) }
        ERR_clear_error()
        guard SSL_CTX_use_certificate_chain_file(context, chain) == 1 else {
            throw problem("\(chain) holds no certificate in PEM", "web.tls_certificate")
        }
        guard SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1,
            SSL_CTX_check_private_key(context) == 1
        else { throw problem("\(key) is not the private key, in PEM, of the certificate in \(chain)", "web.tls_key") }
        return SSL_CTX_get0_privatekey(context).map { EVP_PKEY_get_base_id($0) } ?? 0
    }

    private func problem(_ what: String, _ setting: String) -> WebServerError {
        let reason = ERR_reason_error_string(ERR_get_error()).map { " (\(String(cString: $0)))" } ?? ""
        ERR_clear_error()
        return WebServerError(description: "\(what)\(reason). Correct \(setting)")
    }
}
