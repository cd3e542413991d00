//! Certificates and keys of one control plane. Each has an authority of its own: an administrator of one cluster is
//! nobody in another.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::Error;

/// A certificate and its key, in PEM.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// The authority of one control plane.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new(cluster: &str) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{cluster} authority"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            certificate,
            issuer: Issuer::new(params, key),
        })
    }

    /// A certificate with which a program serves on this machine.
    pub(super) fn server(&self, name: &str) -> Result<Identity, Error> {
        let names = ["127.0.0.1", "localhost"].map(str::to_owned);
        self.issue(name, None, names.to_vec(), ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate that makes its holder the Kubernetes user `name`, in `group`.
    pub(super) fn client(&self, name: &str, group: Option<&str>) -> Result<Identity, Error> {
        self.issue(name, group, Vec::new(), ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        name: &str,
        group: Option<&str>,
        alternatives: Vec<String>,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Identity, Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(alternatives)?;
        params.distinguished_name.push(DnType::CommonName, name);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity {
            certificate,
            key: key.serialize_pem(),
        })
    }
}

/// The key that signs the tokens of service accounts.
pub(super) fn signing_key() -> Result<KeyPair, Error> {
    Ok(KeyPair::generate()?)
}

impl Identity {
    /// Writes `NAME.crt` and `NAME.key` into `folder`.
    pub(super) fn write(&self, folder: &Path, name: &str) -> Result<(PathBuf, PathBuf), Error> {
        Ok((
            write(folder.join(format!("{name}.crt")), &self.certificate)?,
            write(folder.join(format!("{name}.key")), &self.key)?,
        ))
    }
}

/// Writes a file and hands its path back.
pub(super) fn write(path: PathBuf, text: &str) -> Result<PathBuf, Error> {
    match fs::write(&path, text) {
        Ok(()) => Ok(path),
        Err(source) => Err(Error::File { path, source }),
    }
}
