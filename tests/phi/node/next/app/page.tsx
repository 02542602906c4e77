export default function Page() {
  return <p>Patients</p>;
}
